// SPDX-License-Identifier: Apache-2.0
/** Serving certificates for kubelet servers, from the cluster's signer. */
import {
  AranyaError,
  type Clock,
  defined,
  KeyedQueue,
  type Logger,
} from "../../shared/base/mod.ts";
import { NAMESPACE_LABEL, servingSecretName, toSecret } from "../device/mod.ts";
import {
  type CertificateSigningRequest,
  type EdgeDevice,
  type Informer,
  type KubeClient,
  requestCertificate,
  SECRET,
  type Secret,
} from "../kube/mod.ts";
import type { KubeletServer, ServingTls } from "../kubelet/mod.ts";
import {
  createSigningRequest,
  hashPublicKeyOf,
  inspectCertificate,
  type Subject,
  type SubjectNames,
} from "../pki/mod.ts";
import { readTlsSecret, toTlsSecret, writeSecret } from "./tls_secret.ts";

/** Approves requests of `system:nodes` alone; kube-controller-manager signs with the kubelet CA. */
const SIGNER_NAME = "kubernetes.io/kubelet-serving";
const USAGES = ["digital signature", "server auth"];
const SIGN_TIMEOUT_MS = 60_000;
/** Share of a certificate's lifetime after which it is renewed, as a kubelet does at 70 to 90 %. */
const RENEWAL_SHARE = 0.8;
/** Longest time between two checks of a certificate; timers can't wait longer than 24.8 days. */
const MAX_CHECK_INTERVAL_MS = 24 * 3_600_000;
/** The host's certificate serves a new device until then, so that it is ready sooner. */
const FIRST_REQUEST_DELAY_MS = 15_000;
/** Pause before each request, so that thousands of devices don't flood the signer. */
const REQUEST_PAUSE_MS = 250;
const BUSY_RETRY_MS = 5_000;
/** Key of the host's certificate in the queue; the other keys are names of devices. */
const HOST_KEY = "";

/** Options of {@linkcode ServingCertificates}. */
export interface ServingCertificatesOptions {
  client: KubeClient;
  namespace: string;
  /** CertificateSigningRequests with the labels of {@linkcode requestLabels}. */
  requests: Informer<CertificateSigningRequest>;
  /** Secrets of the devices. */
  secrets: Informer<Secret>;
  /** Addresses and DNS names of the host. */
  names: SubjectNames;
  log: Logger;
  clock: Clock;
  /** Returns whether devices are being set up; their own certificates are put off meanwhile. */
  isBusy: () => boolean;
  /** Receives the host's certificate when it is there and each time it was checked or renewed. */
  onHostTls: (tls: ServingTls) => void;
}

interface CertifiedServer {
  edge: EdgeDevice;
  server: KubeletServer;
}

/**
 * Obtains serving certificates from the signer kubernetes.io/kubelet-serving: first one of the
 * host, which serves every device at once, then each device's own, at a pace that the signer can
 * follow. Each is kept in a Secret, and renewed after four fifths of its lifetime.
 *
 * Starts with the host's certificate when it is constructed; dispose it to stop.
 */
export class ServingCertificates implements AsyncDisposable {
  /** Resolves with the host's certificate once there is one; never rejects. */
  readonly host: Promise<ServingTls>;
  readonly #options: ServingCertificatesOptions;
  readonly #queue: KeyedQueue;
  readonly #servers = new Map<string, CertifiedServer>();
  readonly #resolveHost: (tls: ServingTls) => void;

  constructor(options: ServingCertificatesOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<ServingTls>();
    this.host = promise;
    this.#resolveHost = resolve;
    this.#queue = new KeyedQueue({
      concurrency: 2,
      backoff: {
        initialDelayMs: 1000,
        maxDelayMs: 300_000,
        factor: 2,
        jitter: 0.3,
      },
      work: (key, signal) =>
        key === HOST_KEY
          ? this.#syncHost(signal)
          : this.#syncDevice(key, signal),
      onError: (key, { error, retryMs }) =>
        options.log.warn("serving certificate was not signed, will retry", {
          ...defined({ device: key === HOST_KEY ? undefined : key }),
          error,
          ms: Math.round(retryMs),
        }),
    });
    this.#queue.add(HOST_KEY);
  }

  /**
   * Obtains the device's own certificate some time later, passes it to the server, and renews it.
   * May be called again; a changed EdgeDevice or another server starts a check.
   */
  request(edge: EdgeDevice, server: KubeletServer): void {
    const { name } = edge.metadata;
    const known = this.#servers.get(name);
    const isKnown = known?.server === server &&
      known.edge.metadata.generation === edge.metadata.generation;
    this.#servers.set(name, { edge, server });
    if (!isKnown) {
      const stored = this.#options.secrets.get(this.#secretKey(name));
      this.#queue.add(name, { afterMs: stored ? 0 : FIRST_REQUEST_DELAY_MS });
    }
  }

  /** Stops checking the device's certificate; its Secret stays. */
  release(device: string): void {
    this.#servers.delete(device);
    this.#queue.forget(device);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  #secretKey(device: string): string {
    return `${this.#options.namespace}/${servingSecretName(device)}`;
  }

  async #syncHost(signal: AbortSignal): Promise<void> {
    const { client, namespace, names } = this.#options;
    const host = (names.ips[0] ?? "host").toLowerCase().replace(
      /[^a-z0-9]+/g,
      "-",
    );
    const ref = { namespace, name: `aranya-host-${host}-tls` };
    const subject: Subject = {
      commonName: `system:node:aranya-${host}`,
      organizations: ["system:nodes"],
    };
    const stored = await client.find(SECRET, ref, { signal });
    let validMs = await this.#msUntilRenewal(stored, subject);
    let tls = readTlsSecret(stored);
    if (!tls || validMs <= 0) {
      tls = await this.#sign(`aranya-host-${host}`, { subject, signal });
      await writeSecret(client, { secret: toTlsSecret(tls, ref), signal });
      validMs = MAX_CHECK_INTERVAL_MS;
    }
    this.#resolveHost(tls);
    this.#options.onHostTls(tls);
    this.#checkAgain(HOST_KEY, validMs);
  }

  async #syncDevice(device: string, signal: AbortSignal): Promise<void> {
    const certified = this.#servers.get(device);
    if (!certified) return;
    const { edge, server } = certified;
    const { client, clock, secrets, isBusy } = this.#options;
    const subject = toSubject(edge);
    const stored = secrets.get(this.#secretKey(device));
    let validMs = await this.#msUntilRenewal(stored, subject);
    let tls = readTlsSecret(stored);
    if (!tls || validMs <= 0) {
      if (isBusy()) return this.#queue.add(device, { afterMs: BUSY_RETRY_MS });
      await clock.sleep(REQUEST_PAUSE_MS, { signal });
      tls = await this.#sign(`aranya-${device}`, { subject, signal });
      if (!this.#servers.has(device)) return;
      const secret = toSecret(edge, {
        name: servingSecretName(device),
        type: "kubernetes.io/tls",
        values: { "tls.crt": tls.cert, "tls.key": tls.key },
      });
      await writeSecret(client, { secret, signal });
      validMs = MAX_CHECK_INTERVAL_MS;
    }
    server.setTls(tls);
    this.#checkAgain(device, validMs);
  }

  #checkAgain(key: string, validMs: number): void {
    const afterMs = Math.min(validMs, MAX_CHECK_INTERVAL_MS);
    this.#queue.add(key, { afterMs });
  }

  /** Has a new key signed. @throws {AranyaError} when it was refused or not signed in time */
  async #sign(
    name: string,
    { subject, signal }: { subject: Subject; signal: AbortSignal },
  ): Promise<ServingTls> {
    const { client, requests, names, namespace } = this.#options;
    const request = await createSigningRequest({ subject, ...names });
    const suffix = request.publicKeyHash.slice(0, 8);
    const cert = await requestCertificate({
      client,
      informer: requests,
      name: `${namespace}-${name}-${suffix}`,
      labels: requestLabels(namespace),
      requestPem: request.csr,
      signerName: SIGNER_NAME,
      usages: USAGES,
      timeoutMs: SIGN_TIMEOUT_MS,
      signal,
    });
    if (
      (await inspectCertificate(cert)).publicKeyHash !== request.publicKeyHash
    ) {
      throw new AranyaError(
        "invalid",
        `Cannot use certificate of request "${name}": it was signed for another key`,
      );
    }
    return { cert, key: request.key };
  }

  /**
   * Returns how long a stored certificate may be used before it is renewed, in milliseconds; 0 when
   * it can't be used for this subject and host.
   */
  async #msUntilRenewal(
    secret: Secret | undefined,
    subject: Subject,
  ): Promise<number> {
    const tls = readTlsSecret(secret);
    if (!tls) return 0;
    try {
      const facts = await inspectCertificate(tls.cert);
      const { ips, dnsNames } = this.#options.names;
      const isUsable = facts.commonName === subject.commonName &&
        ips.every((ip) => facts.ips.includes(ip)) &&
        dnsNames.every((name) => facts.dnsNames.includes(name)) &&
        facts.publicKeyHash === await hashPublicKeyOf(tls.key);
      const renewalMs = facts.notBeforeMs +
        RENEWAL_SHARE * (facts.notAfterMs - facts.notBeforeMs);
      return isUsable
        ? Math.max(0, renewalMs - this.#options.clock.wallMs())
        : 0;
    } catch {
      return 0; // unreadable, so a new one is requested
    }
  }
}

/**
 * Returns the labels of the operator's CertificateSigningRequests; the informer selects by them.
 */
export function requestLabels(namespace: string): Record<string, string> {
  return {
    "app.kubernetes.io/managed-by": "aranya",
    [NAMESPACE_LABEL]: namespace,
  };
}

/**
 * Returns the subject of a device's certificate, by `spec.node.cert`. The organization is always
 * system:nodes, the only one that the signer accepts.
 */
export function toSubject(edge: EdgeDevice): Subject {
  const { orgUnit, country, state, locality } = edge.spec?.node?.cert ??
    edge.spec?.certInfo ?? {};
  return {
    commonName: `system:node:${edge.metadata.name}`,
    organizations: ["system:nodes"],
    ...defined({
      organizationalUnits: orgUnit ? [orgUnit] : undefined,
      country: country || undefined,
      state: state || undefined,
      locality: locality || undefined,
    }),
  };
}

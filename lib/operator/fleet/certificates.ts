// SPDX-License-Identifier: Apache-2.0
/** Serving certificates for kubelet servers, from the cluster's signer. */
import {
  AranyaError,
  type Clock,
  defined,
  KeyedQueue,
  type Logger,
} from "../../shared/base/mod.ts";
import {
  covers,
  nameConflict,
  NAMESPACE_LABEL,
  ObjectWriter,
  type ProblemCondition,
  servingCertificateExpiring,
  servingSecretName,
  toSecret,
} from "../device/mod.ts";
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
  inspectCertificate,
  type Subject,
  type SubjectNames,
} from "../pki/mod.ts";
import {
  type Certificate,
  inspectPair,
  momentOf,
  readCertificate,
  type Validity,
} from "./certificate.ts";
import { isOperatorSecret, toTlsSecret, writeSecret } from "./tls_secret.ts";

/** Approves requests of `system:nodes` alone; kube-controller-manager signs with the kubelet CA. */
const SIGNER_NAME = "kubernetes.io/kubelet-serving";
const USAGES = ["digital signature", "server auth"];
const SIGN_TIMEOUT_MS = 60_000;
/** Share of a certificate's lifetime after which it is renewed, as a kubelet does at 70 to 90 %. */
const RENEWAL_SHARE = 0.8;
/** A certificate that was not renewed is reported after this share of its lifetime. */
const REPORTED_SHARE = 0.9;
/** Longest time between two checks of a certificate; timers can't wait longer than 24.8 days. */
const MAX_CHECK_INTERVAL_MS = 24 * 3_600_000;
const FIRST_REQUEST_DELAY_MS = 15_000;
/** Pause before each request, so that thousands of devices don't flood the signer. */
const REQUEST_PAUSE_MS = 250;
const BUSY_RETRY_MS = 5_000;
/** Foreign Secrets are not watched, so a conflict is checked again after this time. */
const CONFLICT_RETRY_MS = 30_000;
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
  /** What `problemsOf` returns for this device has changed. */
  onProblemsChanged: (device: string) => void;
  /**
   * How long the host's certificate serves a new device, so that it is ready sooner.
   * @default 15000
   */
  firstRequestDelayMs?: number;
}

interface CertifiedServer {
  edge: EdgeDevice;
  server: KubeletServer;
}

/** What is known about the certificate of one key. */
interface CertificateState {
  /** Of the certificate that is in use, or that has ended. */
  validity?: Validity;
  /** Whether a foreign Secret has the name. */
  isNameTaken?: boolean;
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
  readonly #states = new Map<string, CertificateState>();
  /** Problems that devices were notified of, as text. */
  readonly #notified = new Map<string, string>();
  readonly #resolveHost: (tls: ServingTls) => void;
  #hostTls: ServingTls | undefined;

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
      onError: (key, { error, retryMs }) => {
        options.log.warn("serving certificate was not signed, will retry", {
          ...defined({ device: key === HOST_KEY ? undefined : key }),
          error,
          ms: Math.round(retryMs),
        });
        this.#notify(key);
      },
    });
    this.#queue.add(HOST_KEY);
  }

  /** The host's certificate; undefined until there is one. */
  get hostTls(): ServingTls | undefined {
    return this.#hostTls;
  }

  /** Returns the problems with the certificate of a device's server. */
  problemsOf(device: string): ProblemCondition[] {
    const { clock } = this.#options;
    const own = this.#states.get(device);
    const problems: ProblemCondition[] = [];
    if (own?.isNameTaken) {
      problems.push(nameConflict("Secret", this.#secretKey(device)));
    }
    const validity = own?.validity ?? this.#states.get(HOST_KEY)?.validity;
    if (
      validity && this.#servers.has(device) &&
      clock.wallMs() > momentOf(validity, REPORTED_SHARE)
    ) problems.push(servingCertificateExpiring(validity.notAfterMs));
    return problems;
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
      const { firstRequestDelayMs = FIRST_REQUEST_DELAY_MS } = this.#options;
      this.#queue.add(name, { afterMs: stored ? 0 : firstRequestDelayMs });
    }
  }

  /** Stops checking the device's certificate; its Secret stays. */
  release(device: string): void {
    this.#servers.delete(device);
    this.#states.delete(device);
    this.#notified.delete(device);
    this.#queue.forget(device);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  #secretKey(device: string): string {
    return `${this.#options.namespace}/${servingSecretName(device)}`;
  }

  async #syncHost(signal: AbortSignal): Promise<void> {
    const { client, namespace, names, log } = this.#options;
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
    const isOurs = stored !== undefined && isOperatorSecret(stored);
    const known = await this.#readUsable(HOST_KEY, {
      secret: isOurs ? stored : undefined,
      subject,
    });
    if (known) this.#setHostTls(known.tls);
    if (known && !this.#isDue(known)) return this.#checkAgain(HOST_KEY, known);
    const tls = await this.#sign(`aranya-host-${host}`, { subject, signal });
    if (!await writeSecret(client, { secret: toTlsSecret(tls, ref), signal })) {
      log.warn(
        "certificate of this host is not stored: another secret has its name",
        { object: ref.name },
      );
    }
    this.#setHostTls(tls);
    this.#checkAgain(HOST_KEY, await inspectPair(tls));
  }

  #setHostTls(tls: ServingTls): void {
    this.#hostTls = tls;
    this.#resolveHost(tls);
    this.#options.onHostTls(tls);
  }

  async #syncDevice(device: string, signal: AbortSignal): Promise<void> {
    const certified = this.#servers.get(device);
    if (!certified) return;
    const { edge, server } = certified;
    const { client, clock, secrets, namespace, isBusy } = this.#options;
    const subject = toSubject(edge);
    const name = servingSecretName(device);
    const writer = new ObjectWriter(client, { clock });
    writer.begin(edge);
    // The informer selects by labels, which may have been removed.
    const stored = secrets.get(this.#secretKey(device)) ??
      await client.find(SECRET, { namespace, name }, { signal });
    const owner = stored && writer.ownership(stored);
    this.#setState(device, { isNameTaken: owner === "foreign" });
    if (owner === "foreign") {
      return this.#queue.add(device, { afterMs: CONFLICT_RETRY_MS });
    }
    let usable = await this.#readUsable(device, {
      secret: owner === "ours" ? stored : undefined,
      subject,
    });
    if (usable) server.setTls(usable.tls);
    if (!usable || this.#isDue(usable)) {
      if (isBusy()) return this.#queue.add(device, { afterMs: BUSY_RETRY_MS });
      await clock.sleep(REQUEST_PAUSE_MS, { signal });
      const tls = await this.#sign(`aranya-${device}`, { subject, signal });
      usable = await inspectPair(tls);
      if (!this.#servers.has(device)) return;
      server.setTls(tls);
    }
    const { tls } = usable;
    const secret = toSecret(edge, {
      name,
      type: "kubernetes.io/tls",
      values: { "tls.crt": tls.cert, "tls.key": tls.key },
    });
    const { metadata: { labels }, data } = secret;
    const fields = { metadata: { labels }, data };
    const written = await writer.ensure(SECRET, secret, {
      stored,
      signal,
      toPatch: (actual) => covers(actual, fields) ? undefined : fields,
    });
    this.#setState(device, { isNameTaken: !written });
    this.#checkAgain(device, usable);
  }

  /** Records the certificate that is in use now, and checks it again when it is due. */
  #checkAgain(key: string, { validity }: Certificate): void {
    this.#setState(key, { validity });
    const dueMs = momentOf(validity, RENEWAL_SHARE);
    const afterMs = Math.max(0, dueMs - this.#options.clock.wallMs());
    this.#queue.add(key, { afterMs: Math.min(afterMs, MAX_CHECK_INTERVAL_MS) });
  }

  #setState(key: string, change: CertificateState): void {
    this.#states.set(key, { ...this.#states.get(key), ...change });
    this.#notify(key);
  }

  /** Calls `onProblemsChanged` for each device whose problems have changed. */
  #notify(key: string): void {
    for (const device of key === HOST_KEY ? this.#servers.keys() : [key]) {
      const text = JSON.stringify(this.problemsOf(device));
      if (text === (this.#notified.get(device) ?? "[]")) continue;
      this.#notified.set(device, text);
      this.#options.onProblemsChanged(device);
    }
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

  /** Returns whether a certificate has to be renewed. */
  #isDue({ validity }: Certificate): boolean {
    return this.#options.clock.wallMs() >= momentOf(validity, RENEWAL_SHARE);
  }

  /**
   * Returns the certificate of a Secret when it is for this subject and host, and has not ended.
   */
  async #readUsable(
    key: string,
    { secret, subject }: { secret: Secret | undefined; subject: Subject },
  ): Promise<Certificate | undefined> {
    const found = await readCertificate(secret, {
      commonName: subject.commonName,
      ...this.#options.names,
    });
    if (!found) return undefined;
    const { validity } = found;
    this.#setState(key, { validity });
    return validity.notAfterMs > this.#options.clock.wallMs()
      ? found
      : undefined;
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

// SPDX-License-Identifier: Apache-2.0
/**
 * The operator's own CA, created once in a namespace; and serving certificates from the cluster's signer kubernetes.io/kubelet-serving: one of the host, which serves every device at once, and then
 * each device's own, at a pace that leaves the signer alive. Each is kept in a Secret and renewed when four fifths of its life are over.
 */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  KeyedQueue,
  type Logger,
} from "../../shared/base/mod.ts";
import {
  NAMESPACE_LABEL,
  secretText,
  servingSecretName,
  toSecret,
} from "../device/mod.ts";
import {
  type CertificateSigningRequest,
  CONFIG_MAP,
  type EdgeDevice,
  type Informer,
  type KubeClient,
  type KubeObject,
  type ObjectType,
  requestCertificate,
  SECRET,
  type Secret,
} from "../kube/mod.ts";
import type { KubeletServer, ServingTls } from "../kubelet/mod.ts";
import {
  createAuthority,
  createSigningRequest,
  inspectCertificate,
  type KeyPair,
  publicKeyOf,
  type Subject,
  type SubjectNames,
} from "../pki/mod.ts";

/** Secret with the CA's certificate and key. */
export const AUTHORITY_SECRET = "aranya-ca";
const LABELS = { "app.kubernetes.io/managed-by": "aranya" };

/**
 * Reads the CA, or creates it. Two operators that do so at the same time end with the same one.
 * @throws {AranyaError} code "invalid" when the Secret holds something else; it is not touched then
 */
export async function ensureAuthority(
  client: KubeClient,
  { namespace, signal }: { namespace: string; signal: AbortSignal },
): Promise<KeyPair> {
  const ref = { namespace, name: AUTHORITY_SECRET };
  const found = await client.find(SECRET, ref, { signal });
  if (found) return await readPair(found);
  const pair = await createAuthority({ name: `aranya ${namespace}` });
  const wanted = toTlsSecret(pair, ref);
  try {
    await client.create(SECRET, wanted, { signal });
    return pair;
  } catch (error) {
    if (asAranyaError(error, "").code !== "already_exists") throw error;
  }
  return await readPair(await client.get(SECRET, ref, { signal }));
}

async function readPair(secret: Secret): Promise<KeyPair> {
  const cert = secretText(secret, "tls.crt");
  const key = secretText(secret, "tls.key");
  const facts = cert ? await inspectCertificate(cert) : undefined;
  if (!cert || !key || !facts?.isAuthority) {
    const { namespace, name } = secret.metadata;
    throw new AranyaError(
      "invalid",
      `Cannot use Secret "${namespace}/${name}": it holds no CA, expected tls.crt and tls.key of one`,
    );
  }
  return { cert, key };
}

/** A Secret of type kubernetes.io/tls. */
export function toTlsSecret(
  pair: KeyPair,
  ref: { namespace: string; name: string },
): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { ...ref, labels: LABELS },
    type: "kubernetes.io/tls",
    data: { "tls.crt": btoa(pair.cert), "tls.key": btoa(pair.key) },
  };
}

/** Creates the object, or replaces what of it differs. */
export async function put<T extends KubeObject>(
  client: KubeClient,
  type: ObjectType<T>,
  { object, signal }: { object: T; signal: AbortSignal },
): Promise<void> {
  const { namespace, name } = object.metadata;
  try {
    await client.create(type, object, { signal });
  } catch (error) {
    if (asAranyaError(error, "").code !== "already_exists") throw error;
    const { apiVersion: _version, kind: _kind, metadata: _meta, ...body } =
      object;
    await client.patch(type, { namespace, name }, { body, signal });
  }
}

/** PEM bundle of those who sign the API server's certificate towards kubelets. */
export async function readClientCa(
  client: KubeClient,
  signal: AbortSignal,
): Promise<string> {
  const ref = {
    namespace: "kube-system",
    name: "extension-apiserver-authentication",
  };
  const map = await client.get(CONFIG_MAP, ref, { signal });
  const bundle = map.data?.["client-ca-file"];
  if (bundle) return bundle;
  throw new AranyaError(
    "unavailable",
    `Cannot read the client CA from ConfigMap "kube-system/${ref.name}": it has no client-ca-file, expected the API server to be started with one`,
  );
}

const CLIENT_CA_INTERVAL_MS = 120_000;

/** Reads it again and again until it is aborted: it may be replaced at any time. */
export async function followClientCa(client: KubeClient, options: {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  onRead: (bundle: string) => void;
  /** @default two minutes */
  intervalMs?: number;
}): Promise<void> {
  const { clock, log, signal, onRead, intervalMs = CLIENT_CA_INTERVAL_MS } =
    options;
  for (;;) {
    await clock.sleep(intervalMs, { signal });
    try {
      onRead(await readClientCa(client, signal));
    } catch (error) {
      if (signal.aborted) return;
      log.warn("client CA of the API server was not read", { error });
    }
  }
}

const SIGNER = "kubernetes.io/kubelet-serving";
const USAGES = ["digital signature", "server auth"];
const SIGN_TIMEOUT_MS = 60_000;
/** Share of a certificate's life after which it is renewed. */
const RENEW_SHARE = 0.8;
/** A timer can't wait longer than 24.8 days. */
const MAX_LOOK_MS = 24 * 3_600_000;
/** Devices come up first: their own certificate replaces the host's, which serves them meanwhile. */
const FIRST_WAIT_MS = 15_000;
const PACE_MS = 250;

/** Options of {@linkcode createCertificates}. */
export interface CertificatesOptions {
  client: KubeClient;
  namespace: string;
  /** Our own requests. */
  requests: Informer<CertificateSigningRequest>;
  /** The devices' Secrets. */
  secrets: Informer<Secret>;
  /** Addresses and names of the host. */
  names: SubjectNames;
  log: Logger;
  clock: Clock;
  /** Whether there is more urgent work than devices' own certificates. */
  isBusy: () => boolean;
  /** The host's certificate came or was renewed. */
  onHost: (tls: ServingTls) => void;
}

/** See {@linkcode createCertificates}. */
export interface Certificates extends AsyncDisposable {
  /** Resolves with the host's certificate as soon as there is one. */
  readonly host: Promise<ServingTls>;
  /** Has the device's own certificate made or renewed, later. */
  certify(edge: EdgeDevice, server: KubeletServer): void;
  forget(device: string): void;
}

interface Held {
  edge: EdgeDevice;
  server: KubeletServer;
}

const HOST_KEY = "";

/** Starts getting the host's certificate; dispose it to stop. */
export function createCertificates(options: CertificatesOptions): Certificates {
  return new SignedCertificates(options);
}

class SignedCertificates implements Certificates {
  readonly host: Promise<ServingTls>;
  readonly #options: CertificatesOptions;
  readonly #queue: KeyedQueue;
  readonly #held = new Map<string, Held>();
  readonly #resolveHost: (tls: ServingTls) => void;

  constructor(options: CertificatesOptions) {
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
        key === HOST_KEY ? this.#getHost(signal) : this.#getOwn(key, signal),
      onError: (key, { error, retryMs }) =>
        options.log.warn("serving certificate was not signed", {
          ...(key === HOST_KEY ? {} : { device: key }),
          error,
          ms: Math.round(retryMs),
        }),
    });
    this.#queue.add(HOST_KEY);
  }

  certify(edge: EdgeDevice, server: KubeletServer): void {
    const { name } = edge.metadata;
    const held = this.#held.get(name);
    const same = held?.server === server &&
      held.edge.metadata.generation === edge.metadata.generation;
    this.#held.set(name, { edge, server });
    if (!same) {
      const stored = this.#options.secrets.get(this.#keyOf(name));
      this.#queue.add(name, { afterMs: stored ? 0 : FIRST_WAIT_MS });
    }
  }

  forget(device: string): void {
    this.#held.delete(device);
    this.#queue.forget(device);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  #keyOf(device: string): string {
    return `${this.#options.namespace}/${servingSecretName(device)}`;
  }

  async #getHost(signal: AbortSignal): Promise<void> {
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
    let lookMs = await this.#lifeOf(stored, subject);
    let tls = toServingTls(stored);
    if (!tls || lookMs <= 0) {
      tls = await this.#sign(`aranya-host-${host}`, { subject, signal });
      await put(client, SECRET, { object: toTlsSecret(tls, ref), signal });
      lookMs = MAX_LOOK_MS;
    }
    this.#resolveHost(tls);
    this.#options.onHost(tls);
    this.#queue.add(HOST_KEY, { afterMs: Math.min(lookMs, MAX_LOOK_MS) });
  }

  async #getOwn(device: string, signal: AbortSignal): Promise<void> {
    const held = this.#held.get(device);
    if (!held) return;
    const { client, clock, secrets, isBusy } = this.#options;
    const name = servingSecretName(device);
    const subject = toSubject(held.edge);
    const stored = secrets.get(this.#keyOf(device));
    let lookMs = await this.#lifeOf(stored, subject);
    let tls = toServingTls(stored);
    if (!tls || lookMs <= 0) {
      if (isBusy()) return this.#queue.add(device, { afterMs: 5000 });
      await clock.sleep(PACE_MS, { signal });
      tls = await this.#sign(`aranya-${device}`, { subject, signal });
      if (!this.#held.has(device)) return;
      const object = toSecret(held.edge, {
        name,
        type: "kubernetes.io/tls",
        values: { "tls.crt": tls.cert, "tls.key": tls.key },
      });
      await put(client, SECRET, { object, signal });
      lookMs = MAX_LOOK_MS;
    }
    held.server.setTls(tls);
    this.#queue.add(device, { afterMs: Math.min(lookMs, MAX_LOOK_MS) });
  }

  async #sign(
    name: string,
    { subject, signal }: { subject: Subject; signal: AbortSignal },
  ): Promise<ServingTls> {
    const { client, requests, names, namespace } = this.#options;
    const request = await createSigningRequest({ subject, ...names });
    const suffix = request.publicKey.slice(0, 8);
    const cert = await requestCertificate({
      client,
      informer: requests,
      name: `${namespace}-${name}-${suffix}`,
      labels: requestLabels(namespace),
      requestPem: request.csr,
      signerName: SIGNER,
      usages: USAGES,
      timeoutMs: SIGN_TIMEOUT_MS,
      signal,
    });
    if ((await inspectCertificate(cert)).publicKey !== request.publicKey) {
      throw new AranyaError(
        "invalid",
        `Cannot use certificate of request "${name}": it was signed for another key`,
      );
    }
    return { cert, key: request.key };
  }

  /** How long a stored certificate may still be used, in milliseconds; 0: not at all. */
  async #lifeOf(secret: Secret | undefined, subject: Subject): Promise<number> {
    const tls = toServingTls(secret);
    if (!tls) return 0;
    try {
      const facts = await inspectCertificate(tls.cert);
      const { ips, dnsNames } = this.#options.names;
      const fits = facts.commonName === subject.commonName &&
        ips.every((ip) => facts.ips.includes(ip)) &&
        dnsNames.every((name) => facts.dnsNames.includes(name)) &&
        facts.publicKey === await publicKeyOf(tls.key);
      const renewMs = facts.notBeforeMs +
        RENEW_SHARE * (facts.notAfterMs - facts.notBeforeMs);
      return fits ? Math.max(0, renewMs - this.#options.clock.wallMs()) : 0;
    } catch {
      return 0; // unreadable: a new one is made
    }
  }
}

/** Labels of our requests; the informer selects them. */
export function requestLabels(namespace: string): Record<string, string> {
  return {
    "app.kubernetes.io/managed-by": "aranya",
    [NAMESPACE_LABEL]: namespace,
  };
}

/** Subject of a device's certificate; its organization is the one that the signer demands. */
export function toSubject(edge: EdgeDevice): Subject {
  const info = edge.spec?.node?.cert ?? edge.spec?.certInfo ?? {};
  return {
    commonName: `system:node:${edge.metadata.name}`,
    organizations: ["system:nodes"],
    ...(info.orgUnit ? { organizationalUnits: [info.orgUnit] } : {}),
    ...(info.country ? { country: info.country } : {}),
    ...(info.state ? { state: info.state } : {}),
    ...(info.locality ? { locality: info.locality } : {}),
  };
}

function toServingTls(secret: Secret | undefined): ServingTls | undefined {
  const cert = secretText(secret, "tls.crt");
  const key = secretText(secret, "tls.key");
  return cert && key ? { cert, key } : undefined;
}

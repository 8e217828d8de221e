// SPDX-License-Identifier: Apache-2.0
/** Starts what all kubelet servers of this host share. */
import type { Clock, Logger, Meter, Scope } from "../shared/base/mod.ts";
import {
  createAccessReviews,
  type FleetStores,
  followClientCa,
  KubeletRegistry,
  type PortRange,
  ServingCertificates,
} from "./fleet/mod.ts";
import type { KubeClient } from "./kube/mod.ts";
import { issueServerCertificate, type KeyPair } from "./pki/mod.ts";

/** How long to wait for the host's certificate before serving with one of the operator's own CA. */
const HOST_CERTIFICATE_TIMEOUT_MS = 5000;

/** Options of {@linkcode startKubeletHost}. */
export interface KubeletHostOptions {
  client: KubeClient;
  /** For reviews of clients of the kubelet API. */
  reviewClient: KubeClient;
  namespace: string;
  stores: FleetStores;
  /** Addresses of this host. */
  hostAddresses: string[];
  ports: PortRange;
  /** The operator's own CA. */
  authority: KeyPair;
  /** PEM bundle of the CA that signs the API server's client certificate. */
  clientCa: string;
  /** Returns whether devices are being set up; their own certificates are put off meanwhile. */
  isBusy: () => boolean;
  /** The problems of a device's certificate have changed. */
  onProblemsChanged: (device: string) => void;
  /** Owns what is started. */
  scope: Scope;
  log: Logger;
  meter: Meter;
  clock: Clock;
  signal: AbortSignal;
}

/**
 * Requests the host's serving certificate and returns the registry of kubelet servers, which
 * listens nowhere yet. Certificates and client CA are kept up to date until the scope is closed.
 * @throws the signal's reason when it is aborted
 */
export async function startKubeletHost(
  options: KubeletHostOptions,
): Promise<KubeletRegistry> {
  const { client, stores, hostAddresses, authority, scope, log, clock } =
    options;
  /** Empty until the registry is there, which needs a certificate first. */
  const started: { registry?: KubeletRegistry } = {};
  const certificates = scope.use(
    new ServingCertificates({
      client,
      namespace: options.namespace,
      requests: stores.requests,
      secrets: stores.devices.secrets,
      names: { ips: hostAddresses, dnsNames: [] },
      log,
      clock,
      isBusy: options.isBusy,
      onHostTls: (tls) => started.registry?.setHostTls(tls),
      onProblemsChanged: options.onProblemsChanged,
    }),
  );
  const signed = await waitForHostTls(certificates, options);
  if (!signed) {
    log.warn(
      "serving certificate of this host is not signed yet, the API server may refuse it until then",
    );
  }
  const registry = new KubeletRegistry({
    ports: options.ports,
    auth: createAccessReviews(options.reviewClient),
    clientCa: options.clientCa,
    hostTls: signed ?? await issueServerCertificate({
      authority,
      commonName: "system:node:aranya",
      ips: hostAddresses,
      dnsNames: [],
    }),
    certificates,
    log,
    meter: options.meter,
  });
  started.registry = registry;
  // It may have been signed while the interim one was issued.
  if (certificates.hostTls) registry.setHostTls(certificates.hostTls);
  scope.run((signal) =>
    followClientCa(client, {
      clock,
      log,
      signal,
      onRead: (bundle) => registry.setClientCa(bundle),
    })
  );
  return registry;
}

/** Returns the host's certificate; undefined when it isn't signed in time. */
async function waitForHostTls(
  certificates: ServingCertificates,
  { clock, signal }: KubeletHostOptions,
): Promise<KeyPair | undefined> {
  const waited = new AbortController();
  const tls = await Promise.race([
    certificates.host,
    clock.sleep(HOST_CERTIFICATE_TIMEOUT_MS, {
      signal: AbortSignal.any([signal, waited.signal]),
    }).catch(() => undefined),
  ]);
  waited.abort();
  signal.throwIfAborted();
  return tls ?? undefined;
}

// SPDX-License-Identifier: Apache-2.0
/** One term of leadership: everything that only the leader has, from the watches to the devices. */
import {
  asAranyaError,
  type Clock,
  type Logger,
  retryUntilSuccess,
  Scope,
} from "../shared/base/mod.ts";
import {
  type GrpcListener,
  type GrpcServerTls,
  listenGrpc,
} from "../shared/link/mod.ts";
import {
  type AddressBook,
  type DeviceContext,
  type DeviceSettings,
  NAME_LABEL,
  NAMESPACE_LABEL,
  POD_CIDR_ANNOTATION,
} from "./device/mod.ts";
import {
  createEventRecorder,
  type EdgeDevice,
  type KubeClient,
} from "./kube/mod.ts";
import { issueServerCertificate, type KeyPair } from "./pki/mod.ts";
import {
  ClusterRanges,
  createAccessReviews,
  createDevices,
  type Devices,
  ensureAuthority,
  FleetStores,
  followClientCa,
  hostOf,
  KubeletRegistry,
  LeaseRenewer,
  PodAddressBook,
  readClientCa,
  serveLinks,
  ServingCertificates,
  toAgentYaml,
  toSettings,
} from "./fleet/mod.ts";
import type { PageMeter } from "./pages.ts";
import type { OperatorOptions } from "./options.ts";

/** How long a new leader waits for the host's certificate before it serves with one of its own CA. */
const HOST_CERTIFICATE_WAIT_MS = 5000;
/** How long devices that a former leader had may take to come back. */
const GRACE_MS = 40_000;
/** A former leader on this host may still be closing its port. */
const PORT_WAIT_MS = 10_000;
const TLS_DELAY_MS = 200;
/** What our kubelet face implements. */
const KUBELET_VERSION = "v1.34.0";

/** Options of {@linkcode startTerm}. */
export interface TermOptions {
  client: KubeClient;
  options: OperatorOptions;
  namespace: string;
  hostAddresses: string[];
  operatorVersion: string;
  log: Logger;
  meter: PageMeter;
  clock: Clock;
  signal: AbortSignal;
}

/** A term that has begun. */
export interface Term extends AsyncDisposable {
  readonly devices: Devices;
  readonly grpcPort: number;
}

/**
 * Begins to serve. Waits for the API server as long as it takes.
 * @throws {AranyaError} when a port is taken or the CA's Secret is unusable; the signal's reason when it is aborted
 */
export async function startTerm(options: TermOptions): Promise<Term> {
  const scope = new Scope({
    onError: (error) =>
      options.log.error("part of the operator failed", { error }),
  });
  try {
    return await new TermBuilder(options, scope).build();
  } catch (error) {
    await scope.close(error);
    throw error;
  }
}

class TermBuilder {
  readonly #given: TermOptions;
  readonly #scope: Scope;
  #devices: Devices | undefined;
  #listener: GrpcListener | undefined;
  #kubelets: KubeletRegistry | undefined;
  #grpcHosts = new Set<string>();
  #refreshing: Promise<void> = Promise.resolve();
  #refreshWaits = false;

  constructor(given: TermOptions, scope: Scope) {
    this.#given = given;
    this.#scope = scope;
  }

  async build(): Promise<Term> {
    const { client, namespace, options, log, clock, signal } = this.#given;
    const wait = { log, clock, signal };
    const stores = this.#scope.use(
      new FleetStores({
        client,
        namespace,
        tenantNamespaces: options.tenantNamespaces,
        log,
      }),
    );
    const [authority, clientCa, kubeletVersion] = await Promise.all([
      retryUntilSuccess(() => ensureAuthority(client, { namespace, signal }), {
        ...wait,
        object: "the operator's CA",
      }),
      retryUntilSuccess(() => readClientCa(client, signal), {
        ...wait,
        object: "the CA of the API server's client certificate",
      }),
      retryUntilSuccess(() => chooseKubeletVersion(client, signal), {
        ...wait,
        object: "the API server's version",
      }),
      waitFor(stores.synced(), signal),
    ]);
    const listener = await this.#listen(authority, stores);
    const { port: grpcPort } = listener.address;
    const kubelets = await this.#openKubelets({ stores, authority, clientCa });
    this.#scope.run((over) =>
      followClientCa(client, {
        clock,
        log,
        signal: over,
        onRead: (bundle) => kubelets.setClientCa(bundle),
      })
    );
    const addresses = await this.#openAddressBook(stores);
    const devices = this.#startDevices({
      stores,
      kubelets,
      addresses,
      authority,
      kubeletVersion,
      grpcPort,
    });
    this.#scope.run((over) =>
      serveLinks({
        listener,
        findDevice: (name) => devices.find(name),
        log,
        meter: this.#given.meter,
        signal: over,
      })
    );
    return {
      devices,
      grpcPort,
      [Symbol.asyncDispose]: () => this.#scope.close(),
    };
  }

  async #listen(
    authority: KeyPair,
    stores: FleetStores,
  ): Promise<GrpcListener> {
    const { options, log, meter, clock, signal } = this.#given;
    const endpoints = stores.devices.edges.list().map((edge) =>
      this.#settingsOf(edge, options.grpcPort).endpoint
    );
    const tls = await this.#issue(authority, endpoints);
    const deadlineMs = clock.monotonicMs() + PORT_WAIT_MS;
    for (;;) {
      try {
        this.#listener = await listenGrpc({
          host: "0.0.0.0",
          port: options.grpcPort,
          tls,
          log,
          meter,
        });
        return this.#scope.use(this.#listener);
      } catch (error) {
        const { code } = asAranyaError(error, "Cannot listen for devices");
        if (code !== "conflict" || clock.monotonicMs() > deadlineMs) {
          throw error;
        }
        await clock.sleep(500, { signal });
      }
    }
  }

  /** A certificate for the host and every name that devices dial. */
  async #issue(
    authority: KeyPair,
    endpoints: string[],
  ): Promise<GrpcServerTls> {
    const hosts = [
      ...new Set([
        ...this.#given.hostAddresses,
        ...endpoints.map(hostOf),
        "127.0.0.1",
        "localhost",
      ]),
    ];
    const tls = await issueServerCertificate({
      authority,
      commonName: "aranya operator",
      ips: hosts.filter(isAddress),
      dnsNames: hosts.filter((host) => !isAddress(host)),
    });
    this.#grpcHosts = new Set(hosts);
    return tls;
  }

  /** Devices may have been given other end points: their hosts are added to the listener's certificate, one change after the other. */
  #refreshGrpcTls(authority: KeyPair): void {
    if (this.#refreshWaits) return;
    this.#refreshWaits = true;
    this.#refreshing = this.#refreshing.then(async () => {
      // A burst of new devices is looked at once.
      await this.#given.clock.sleep(TLS_DELAY_MS, {
        signal: this.#scope.signal,
      });
      this.#refreshWaits = false;
      const endpoints = this.#devices?.endpoints() ?? [];
      if (endpoints.every((one) => this.#grpcHosts.has(hostOf(one)))) return;
      this.#listener?.setTls(await this.#issue(authority, endpoints));
    }).catch((error) => {
      this.#refreshWaits = false;
      if (this.#scope.signal.aborted) return;
      this.#given.log.error("listener's certificate was not renewed", {
        error,
      });
    });
  }

  async #openKubelets({ stores, authority, clientCa }: {
    stores: FleetStores;
    authority: KeyPair;
    clientCa: string;
  }): Promise<KubeletRegistry> {
    const { client, namespace, options, hostAddresses, log, meter, clock } =
      this.#given;
    const certificates = this.#scope.use(
      new ServingCertificates({
        client,
        namespace,
        requests: stores.requests,
        secrets: stores.devices.secrets,
        names: { ips: hostAddresses, dnsNames: [] },
        log,
        clock,
        isBusy: () => this.#devices?.busy ?? true,
        onHostTls: (tls) => this.#kubelets?.setHostTls(tls),
      }),
    );
    const waited = new AbortController();
    const signed = await Promise.race([
      certificates.host,
      clock.sleep(HOST_CERTIFICATE_WAIT_MS, {
        signal: AbortSignal.any([this.#given.signal, waited.signal]),
      }).catch(() => undefined),
    ]);
    waited.abort();
    this.#given.signal.throwIfAborted();
    if (!signed) {
      log.warn(
        "the host's serving certificate is not signed yet: the API server may refuse it until then",
      );
    }
    this.#kubelets = new KubeletRegistry({
      ports: options.kubeletPorts,
      auth: createAccessReviews(client),
      clientCa,
      hostTls: signed ?? await this.#issueInterim(authority),
      certificates,
      log,
      meter,
    });
    return this.#kubelets;
  }

  #issueInterim(authority: KeyPair): Promise<KeyPair> {
    return issueServerCertificate({
      authority,
      commonName: "system:node:aranya",
      ips: this.#given.hostAddresses,
      dnsNames: [],
    });
  }

  #startDevices(parts: {
    stores: FleetStores;
    kubelets: KubeletRegistry;
    addresses: AddressBook;
    authority: KeyPair;
    kubeletVersion: string;
    grpcPort: number;
  }): Devices {
    const { client, namespace, hostAddresses, log, meter, clock } = this.#given;
    const { stores, kubelets, authority, kubeletVersion, grpcPort, addresses } =
      parts;
    const heartbeats = new LeaseRenewer({
      client,
      clock,
      log,
      onMissing: (device) => log.debug("lease is missing", { device }),
    });
    this.#scope.use(heartbeats);
    const events = this.#scope.use(createEventRecorder({ client, log, clock }));
    const context: Omit<DeviceContext, "wake"> = {
      client,
      namespace,
      stores: stores.devices,
      sources: stores.sources,
      events,
      log,
      meter,
      clock,
      operatorVersion: this.#given.operatorVersion,
      kubeletVersion,
      host: { addresses: hostAddresses, grpcPort },
      authority: authority.cert,
      graceUntilMs: clock.monotonicMs() + GRACE_MS,
      addresses,
      heartbeats,
      kubelets,
      settingsOf: (edge) => this.#settingsOf(edge, grpcPort),
      renderAgentYaml: toAgentYaml,
    };
    const devices = createDevices({
      context,
      onChange: () => this.#refreshGrpcTls(authority),
    });
    this.#devices = devices;
    return this.#scope.use(devices);
  }

  /** It follows the devices of other namespaces' operators by their Nodes, and the ranges of ordinary Nodes. */
  async #openAddressBook(stores: FleetStores): Promise<AddressBook> {
    const { client, namespace, log, clock, signal } = this.#given;
    const book = new PodAddressBook({ seed: namespace });
    const ranges = new ClusterRanges({ client, book, log, clock });
    const stop = stores.devices.nodes.onChange(({ now, old }) => {
      const { labels, annotations } = (now ?? old)?.metadata ?? {};
      if (now?.spec?.podCIDR) ranges.warnOfNodeCidrs();
      if (!labels || labels[NAMESPACE_LABEL] === namespace) return;
      book.setForeignRange(
        `${labels[NAMESPACE_LABEL]}/${labels[NAME_LABEL]}`,
        now?.spec?.podCIDR ?? (now && annotations?.[POD_CIDR_ANNOTATION]),
      );
    }, { replay: true });
    this.#scope.defer(stop);
    await ranges.refresh(signal);
    this.#scope.run((over) => ranges.run(over));
    return book;
  }

  #settingsOf(edge: EdgeDevice, grpcPort: number): DeviceSettings {
    return toSettings(edge, {
      addresses: this.#given.hostAddresses,
      grpcPort,
    });
  }
}

function isAddress(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(":");
}

/** Never newer than the API server. */
async function chooseKubeletVersion(
  client: KubeClient,
  signal: AbortSignal,
): Promise<string> {
  const { gitVersion } = await client.version({ signal });
  const minor = (version: string) =>
    Number(version.match(/^v?1\.(\d+)/)?.[1] ?? NaN);
  return minor(gitVersion) < minor(KUBELET_VERSION)
    ? `v1.${minor(gitVersion)}.0`
    : KUBELET_VERSION;
}

async function waitFor<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, ended]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

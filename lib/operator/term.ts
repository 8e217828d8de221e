// SPDX-License-Identifier: Apache-2.0
/** One term of leadership: everything that only the leader runs. */
import {
  abortable,
  type Clock,
  hasCode,
  type Logger,
  type Meter,
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
  NAME_LABEL,
  NAMESPACE_LABEL,
  POD_CIDR_ANNOTATION,
} from "./device/mod.ts";
import { createEventRecorder, type KubeClient } from "./kube/mod.ts";
import type { KeyPair } from "./pki/mod.ts";
import {
  ClusterRanges,
  DeviceRegistry,
  ensureAuthority,
  FleetSettings,
  FleetStores,
  type KubeletRegistry,
  LeaseRenewer,
  PodAddressBook,
  readClientCa,
  restoreAssignments,
  serveLinks,
} from "./fleet/mod.ts";
import { GrpcTls } from "./grpc_tls.ts";
import { startKubeletHost } from "./kubelet_host.ts";
import { readKubeletVersion } from "./kubelet_version.ts";
import type { OperatorOptions } from "./options.ts";

/** How long devices that were connected to the former leader have to connect again. */
const RECONNECT_GRACE_MS = 40_000;
/** How long a taken port is retried: a former leader on this host may still be closing it. */
const PORT_TIMEOUT_MS = 10_000;
const PORT_RETRY_MS = 500;

/** Options of {@linkcode startTerm}. */
export interface TermOptions {
  client: KubeClient;
  options: OperatorOptions;
  /** Namespace of the EdgeDevices. */
  namespace: string;
  /** Addresses of this host, preferred first. */
  hostAddresses: string[];
  operatorVersion: string;
  log: Logger;
  meter: Meter;
  clock: Clock;
  /** Ends the start, but not the term: dispose that. */
  signal: AbortSignal;
}

/** A term that has started; dispose it to stop serving. */
export interface Term extends AsyncDisposable {
  readonly devices: DeviceRegistry;
  /** The port that agents connect to. */
  readonly grpcPort: number;
}

/**
 * Starts to serve the devices of a namespace. Waits for the API server without limit.
 * @throws {AranyaError} when a port is taken or the CA's Secret can't be used
 * @throws the signal's reason when it is aborted
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

/** What is read from the cluster before anything is served. */
interface ClusterFacts {
  /** The operator's own CA. */
  authority: KeyPair;
  /** PEM bundle of the CA that signs the API server's client certificate. */
  clientCa: string;
  kubeletVersion: string;
}

/** Starts the parts of a term in order; the scope owns them. */
class TermBuilder {
  readonly #options: TermOptions;
  readonly #scope: Scope;
  /** Set last; certificates of devices wait for it. */
  #devices: DeviceRegistry | undefined;

  constructor(options: TermOptions, scope: Scope) {
    this.#options = options;
    this.#scope = scope;
  }

  async build(): Promise<Term> {
    const { client, namespace, options, hostAddresses, log, meter, clock } =
      this.#options;
    const scope = this.#scope;
    const stores = scope.use(
      new FleetStores({
        client,
        namespace,
        tenantNamespaces: options.tenantNamespaces,
        log,
      }),
    );
    const facts = await this.#readCluster(stores);
    const grpcTls = new GrpcTls({
      authority: facts.authority,
      hostAddresses,
      clock,
      log,
      signal: scope.signal,
    });
    const listener = await this.#listen(grpcTls, stores);
    const kubelets = await this.#startKubelets(stores, facts);
    const addresses = await this.#openAddressBook(stores);
    const grpcPort = listener.address.port;
    const devices = this.#startDevices({
      ...facts,
      stores,
      kubelets,
      addresses,
      grpcPort,
      onChange: () =>
        grpcTls.scheduleUpdate(
          listener,
          () => this.#devices?.endpoints() ?? [],
        ),
    });
    scope.run((signal) =>
      serveLinks({
        listener,
        findDevice: (name) => devices.find(name),
        log,
        meter,
        signal,
      })
    );
    return {
      devices,
      grpcPort,
      [Symbol.asyncDispose]: () => scope.close(),
    };
  }

  /** Resolves once everything could be read and the stores are synced. */
  async #readCluster(stores: FleetStores): Promise<ClusterFacts> {
    const { client, namespace, log, clock, signal } = this.#options;
    const retry = { log, clock, signal };
    const [authority, clientCa, kubeletVersion] = await Promise.all([
      retryUntilSuccess(() => ensureAuthority(client, { namespace, signal }), {
        ...retry,
        object: "the operator's CA",
      }),
      retryUntilSuccess(() => readClientCa(client, signal), {
        ...retry,
        object: "the CA of the API server's client certificate",
      }),
      retryUntilSuccess(() => readKubeletVersion(client, signal), {
        ...retry,
        object: "the API server's version",
      }),
      abortable(stores.synced(), signal),
    ]);
    return { authority, clientCa, kubeletVersion };
  }

  async #listen(
    grpcTls: GrpcTls,
    stores: FleetStores,
  ): Promise<GrpcListener> {
    const { options, hostAddresses, clock, signal } = this.#options;
    const settings = new FleetSettings({
      addresses: hostAddresses,
      grpcPort: options.grpcPort,
    });
    const endpoints = stores.devices.edges.list().map((edge) =>
      settings.of(edge).endpoint
    );
    const tls = await grpcTls.issue(endpoints);
    const deadlineMs = clock.monotonicMs() + PORT_TIMEOUT_MS;
    for (;;) {
      try {
        return this.#scope.use(await this.#listenOnce(tls));
      } catch (error) {
        if (
          !hasCode(error, "conflict") || clock.monotonicMs() > deadlineMs
        ) throw error;
        await clock.sleep(PORT_RETRY_MS, { signal });
      }
    }
  }

  #listenOnce(tls: GrpcServerTls): Promise<GrpcListener> {
    const { options, log, meter } = this.#options;
    return listenGrpc({
      host: "0.0.0.0",
      port: options.grpcPort,
      tls,
      log,
      meter,
    });
  }

  async #startKubelets(
    stores: FleetStores,
    { authority, clientCa }: ClusterFacts,
  ): Promise<KubeletRegistry> {
    const { client, namespace, options, hostAddresses } = this.#options;
    const { log, meter, clock, signal } = this.#options;
    return await startKubeletHost({
      client,
      namespace,
      stores,
      hostAddresses,
      ports: options.kubeletPorts,
      authority,
      clientCa,
      // Until the devices are there, they are about to be set up.
      isBusy: () => this.#devices?.isBusy ?? true,
      onProblemsChanged: (device) => this.#devices?.enqueue(device),
      scope: this.#scope,
      log,
      meter,
      clock,
      signal,
    });
  }

  /** The book avoids the ranges of other namespaces' devices and of ordinary nodes. */
  async #openAddressBook(stores: FleetStores): Promise<AddressBook> {
    const { client, namespace, log, clock, signal } = this.#options;
    const book = new PodAddressBook({ seed: namespace });
    const ranges = new ClusterRanges({ client, book, log, clock });
    const unsubscribe = stores.devices.nodes.onChange(({ now, old }) => {
      const { labels, annotations } = (now ?? old)?.metadata ?? {};
      if (now?.spec?.podCIDR) ranges.warnOfNodeCidrs();
      if (!labels || labels[NAMESPACE_LABEL] === namespace) return;
      book.setForeignRange(
        `${labels[NAMESPACE_LABEL]}/${labels[NAME_LABEL]}`,
        now?.spec?.podCIDR ?? (now && annotations?.[POD_CIDR_ANNOTATION]),
      );
    }, { replay: true });
    this.#scope.defer(unsubscribe);
    await ranges.refresh(signal);
    this.#scope.run((scopeSignal) => ranges.run(scopeSignal));
    return book;
  }

  #startDevices(
    parts: ClusterFacts & {
      stores: FleetStores;
      kubelets: KubeletRegistry;
      addresses: AddressBook;
      grpcPort: number;
      onChange: () => void;
    },
  ): DeviceRegistry {
    const { client, namespace, hostAddresses, operatorVersion } = this.#options;
    const { log, meter, clock } = this.#options;
    const { stores, kubelets, addresses, grpcPort } = parts;
    const heartbeats = this.#scope.use(
      new LeaseRenewer({
        client,
        clock,
        log,
        leadership: { isSuspended: false },
      }),
    );
    const events = this.#scope.use(createEventRecorder({ client, log, clock }));
    restoreAssignments({ stores: stores.devices, addresses, kubelets });
    this.#devices = this.#scope.use(
      new DeviceRegistry({
        context: {
          kube: {
            client,
            namespace,
            stores: stores.devices,
            sources: stores.sources,
            podClient: stores.podClient,
            events,
          },
          operator: {
            version: operatorVersion,
            kubeletVersion: parts.kubeletVersion,
            addresses: hostAddresses,
            grpcPort,
            ca: parts.authority.cert,
            reconnectDeadlineMs: clock.monotonicMs() + RECONNECT_GRACE_MS,
          },
          settings: new FleetSettings({ addresses: hostAddresses, grpcPort }),
          addresses,
          kubelets,
          log,
          meter,
          clock,
        },
        heartbeats,
        onChange: parts.onChange,
      }),
    );
    return this.#devices;
  }
}

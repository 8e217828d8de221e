// SPDX-License-Identifier: Apache-2.0
/** One term of leadership: everything that only the leader runs. */
import {
  abortable,
  type Clock,
  type Logger,
  type Meter,
  retryUntilSuccess,
  Scope,
} from "../shared/base/mod.ts";
import {
  type AddressBook,
  createDeviceLimits,
  NAME_LABEL,
  NAMESPACE_LABEL,
  POD_CIDR_ANNOTATION,
} from "./device/mod.ts";
import {
  createEventRecorder,
  type KubeClient,
  type Leadership,
} from "./kube/mod.ts";
import {
  type Authority,
  ClusterRanges,
  DeviceRegistry,
  FleetSettings,
  FleetStores,
  type KubeletRegistry,
  LeaseRenewer,
  PodAddressBook,
  readClientCa,
  restoreAssignments,
} from "./fleet/mod.ts";
import { startKubeletHost } from "./kubelet_host.ts";
import { readKubeletVersion } from "./kubelet_version.ts";
import type { LinkFront } from "./link_front.ts";
import type { OperatorOptions } from "./options.ts";
import type { Replicas } from "./replicas.ts";

/** How long devices that were connected to the former leader have to connect again. */
const RECONNECT_GRACE_MS = 40_000;
/** Why links end that are kept no longer in an outage. */
const SUSPENDED = "the operator can't reach the API server";

/** Options of {@linkcode startTerm}. */
export interface TermOptions {
  /** Writes only while leadership is not suspended. */
  client: KubeClient;
  /** For reviews of clients of the kubelet API, which write nothing. */
  reviewClient: KubeClient;
  leadership: Pick<Leadership, "isSuspended" | "onSuspensionChange">;
  front: Pick<LinkFront, "readAuthority" | "waitForPort">;
  replicas: Pick<
    Replicas,
    "endpoints" | "isComplete" | "hasOthers" | "onChange"
  >;
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
  authority: Authority;
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
    const { client, namespace, options, front, log, signal } = this.#options;
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
    const kubelets = await this.#startKubelets(stores, facts);
    const addresses = await this.#openAddressBook(stores);
    const grpcPort = await front.waitForPort(signal);
    const devices = this.#startDevices({
      ...facts,
      stores,
      kubelets,
      addresses,
      grpcPort,
    });
    this.#followOperators(devices);
    return {
      devices,
      grpcPort,
      [Symbol.asyncDispose]: () => scope.close(),
    };
  }

  /** Resolves once everything could be read and the stores are synced. */
  async #readCluster(stores: FleetStores): Promise<ClusterFacts> {
    const { client, front, log, clock, signal } = this.#options;
    const retry = { log, clock, signal };
    const [authority, clientCa, kubeletVersion] = await Promise.all([
      retryUntilSuccess(() => front.readAuthority(), {
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

  /**
   * Keeps the devices informed of where the operators are. While leadership is suspended, the
   * devices keep their links: without limit when no other operator could serve them.
   */
  #followOperators(devices: DeviceRegistry): void {
    const { leadership, replicas, log } = this.#options;
    this.#scope.defer(replicas.onChange(() => devices.enqueueAll()));
    const onChange = (isSuspended: boolean) => {
      devices.cancelLinkEnd();
      if (!isSuspended) return;
      const { hasOthers } = replicas;
      log.warn(
        hasOthers
          ? "API server can't be reached, links end after each device's offlineAfter"
          : "API server can't be reached, links are kept",
        { count: devices.connectedCount },
      );
      if (hasOthers) devices.endLinksWhenOffline(SUSPENDED);
    };
    this.#scope.defer(leadership.onSuspensionChange(onChange));
    // It may have begun during the start.
    if (leadership.isSuspended) onChange(leadership.isSuspended);
  }

  async #startKubelets(
    stores: FleetStores,
    { authority, clientCa }: ClusterFacts,
  ): Promise<KubeletRegistry> {
    const { client, namespace, options, hostAddresses } = this.#options;
    const { log, meter, clock, signal } = this.#options;
    return await startKubeletHost({
      client,
      reviewClient: this.#options.reviewClient,
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
        leadership: this.#options.leadership,
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
            ca: parts.authority.bundle,
            reconnectDeadlineMs: clock.monotonicMs() + RECONNECT_GRACE_MS,
          },
          settings: new FleetSettings(this.#options.replicas),
          addresses,
          kubelets,
          limits: createDeviceLimits({ clock }),
          log,
          meter,
          clock,
        },
        heartbeats,
      }),
    );
    return this.#devices;
  }
}

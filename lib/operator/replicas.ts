// SPDX-License-Identifier: Apache-2.0
/** The operators of a namespace: where each listens, and which of them are alive. */
import {
  type Clock,
  formatEndpoint,
  hasCode,
  isEndpoint,
  type Logger,
  parseEndpoint,
  toRfc3339Micro,
} from "../shared/base/mod.ts";
import type { EndpointSource } from "./fleet/mod.ts";
import {
  type KubeClient,
  LEASE,
  type Lease,
  toLabelSelector,
} from "./kube/mod.ts";

/** Labels of the Leases. */
const LABELS = {
  "app.kubernetes.io/managed-by": "aranya",
  "app.kubernetes.io/component": "operator",
};
/** Annotation with the endpoints of an operator, joined by commas. */
const ENDPOINTS_ANNOTATION = "aranya.arhat.dev/endpoints";
const SYNC_INTERVAL_MS = 10_000;
/** An operator that has not renewed its Lease for this long is not alive. */
const ALIVE_MS = 60_000;
/**
 * Endpoints of an operator that is not alive are listed for this long, so that a host that is
 * rebooted keeps its place in each agent.yaml.
 */
const RETENTION_MS = 24 * 3_600_000;
const CALL_TIMEOUT_MS = 5000;
/** More are of no use to an agent. */
const MAX_ENDPOINTS = 32;

/** Options of {@linkcode Replicas}. */
export interface ReplicasOptions {
  client: Pick<KubeClient, "create" | "patch" | "list" | "delete">;
  namespace: string;
  /** Name of this operator's Lease; no other operator has the same. */
  name: string;
  /** `holderIdentity` in it, the same as in the leader's Lease. */
  identity: string;
  /** Addresses of this host. */
  hostAddresses: readonly string[];
  /** The listener of this process. */
  front: { readonly grpcPort: number | undefined };
  log: Logger;
  clock: Clock;
  /** Time between two readings, in milliseconds. @default 10000 */
  syncIntervalMs?: number;
}

/** One operator, as its Lease shows it. */
interface Replica {
  /** Name of the Lease. */
  name: string;
  /** "" when it was stopped. */
  identity: string;
  endpoints: readonly string[];
  version: string;
  /** When this process saw the present version first, on the monotonic clock. */
  changedMs: number;
  /** `renewTime`, in milliseconds since 1970. */
  renewedMs: number;
}

/**
 * Registers this operator by a Lease of its own beside the leader's, and reads those of the others.
 *
 * Each operator lists the endpoints of all, which the leader gives to the devices, and knows
 * whether another one could take over.
 */
export class Replicas implements EndpointSource {
  readonly #options: ReplicasOptions;
  readonly #listeners = new Set<() => void>();
  #replicas = new Map<string, Replica>();
  #endpoints: readonly string[] = [];
  #isComplete = false;
  /** When the others were read last, on the monotonic clock. */
  #readMs = -Infinity;
  #hasRecord = false;
  /** Message of the last logged error. */
  #loggedMessage = "";

  constructor(options: ReplicasOptions) {
    this.#options = options;
  }

  /** See {@linkcode EndpointSource.endpoints}. */
  get endpoints(): readonly string[] {
    return this.#endpoints.length > 0 ? this.#endpoints : this.#ownEndpoints;
  }

  /** See {@linkcode EndpointSource.isComplete}. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * Whether another operator was alive when they could be read last; also true when they could
   * never be read.
   */
  get hasOthers(): boolean {
    if (!this.#isComplete) return true;
    return [...this.#replicas.values()].some((replica) =>
      replica.identity !== this.#options.identity && this.#isAlive(replica)
    );
  }

  /**
   * Returns an endpoint of the operator with this identity, if possible of the peer's address
   * family; undefined when it is not known.
   */
  findEndpoint(identity: string, peer: string): string | undefined {
    const { endpoints = [] } =
      [...this.#replicas.values()].find((replica) =>
        replica.identity === identity
      ) ?? {};
    const family = familyOf(peer);
    return endpoints.find((endpoint) => familyOf(endpoint) === family) ??
      endpoints[0];
  }

  /** Calls the listener when endpoints have changed. Returns the function that unsubscribes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Renews the Lease of this operator and reads the others, at once and then once per interval.
   * Failures are logged and retried.
   * @param leads returns whether this operator leads, and so removes Leases that are of no use
   * @throws the signal's reason
   */
  async run(
    { leads, signal }: { leads: () => boolean; signal: AbortSignal },
  ): Promise<void> {
    const { clock, log, syncIntervalMs = SYNC_INTERVAL_MS } = this.#options;
    for (;;) {
      try {
        await this.#register(signal);
        await this.#readAll(signal);
        if (leads()) await this.#collectGarbage(signal);
        this.#loggedMessage = "";
      } catch (error) {
        signal.throwIfAborted();
        const message = error instanceof Error ? error.message : String(error);
        const level = message === this.#loggedMessage ? "debug" : "warn";
        log[level]("operators of the namespace were not read, will retry", {
          error,
        });
        this.#loggedMessage = message;
      }
      await clock.sleep(syncIntervalMs, { signal });
    }
  }

  /** Shows the others that this operator has stopped; its endpoints stay listed. Never rejects. */
  async unregister(): Promise<void> {
    if (!this.#hasRecord) return;
    const { client, namespace, name, log } = this.#options;
    try {
      await client.patch(LEASE, { namespace, name }, {
        body: { spec: { holderIdentity: "" } },
        timeoutMs: CALL_TIMEOUT_MS,
      });
    } catch (error) {
      log.debug("operator was not unregistered", { error });
    }
  }

  get #ownEndpoints(): readonly string[] {
    const { hostAddresses, front: { grpcPort: port } } = this.#options;
    return port === undefined
      ? []
      : hostAddresses.map((host) => formatEndpoint({ host, port }));
  }

  #isAlive({ identity, changedMs }: Replica): boolean {
    return identity !== "" && this.#readMs - changedMs < ALIVE_MS;
  }

  /** Creates or renews the Lease of this operator, once its port is known. */
  async #register(signal: AbortSignal): Promise<void> {
    const endpoints = this.#ownEndpoints;
    if (endpoints.length === 0) return;
    const { client, namespace, name, identity, clock } = this.#options;
    const ref = { namespace, name };
    const call = { signal, timeoutMs: CALL_TIMEOUT_MS };
    const lease: Lease = {
      metadata: {
        ...ref,
        labels: LABELS,
        annotations: { [ENDPOINTS_ANNOTATION]: endpoints.join(",") },
      },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: ALIVE_MS / 1000,
        renewTime: toRfc3339Micro(clock.wallMs()),
      },
    };
    if (this.#hasRecord) {
      try {
        await client.patch(LEASE, ref, { ...call, body: lease });
        return;
      } catch (error) {
        if (!hasCode(error, "not_found")) throw error;
      }
    }
    try {
      await client.create(LEASE, lease, call);
    } catch (error) {
      // The reply to an earlier attempt was lost.
      if (!hasCode(error, "already_exists")) throw error;
    }
    this.#hasRecord = true;
  }

  async #readAll(signal: AbortSignal): Promise<void> {
    const { client, namespace, clock } = this.#options;
    const { items } = await client.list(LEASE, {
      namespace,
      labelSelector: toLabelSelector(LABELS),
      signal,
      timeoutMs: CALL_TIMEOUT_MS,
    });
    this.#readMs = clock.monotonicMs();
    this.#replicas = new Map(
      items.map((lease) => [lease.metadata.name, this.#toReplica(lease)]),
    );
    const wasComplete = this.#isComplete;
    this.#isComplete = true;
    const endpoints = this.#listEndpoints();
    const isSame = endpoints.join() === this.#endpoints.join();
    if (isSame && wasComplete) return;
    if (!isSame) this.#endpoints = endpoints;
    for (const listener of this.#listeners) listener();
  }

  #toReplica({ metadata, spec }: Lease): Replica {
    const { name, resourceVersion: version = "", annotations } = metadata;
    const former = this.#replicas.get(name);
    return {
      name,
      identity: spec?.holderIdentity ?? "",
      endpoints: (annotations?.[ENDPOINTS_ANNOTATION] ?? "").split(",").filter(
        isEndpoint,
      ),
      version,
      changedMs: former?.version === version ? former.changedMs : this.#readMs,
      renewedMs: Date.parse(spec?.renewTime ?? "") || 0,
    };
  }

  /** In an order that does not depend on who leads, so that a fail-over changes nothing. */
  #listEndpoints(): string[] {
    const listed = [...this.#replicas.values()].filter((replica) =>
      !this.#isOutdated(replica)
    );
    // The nearest to overflow are those of operators that have been away for long.
    listed.sort((left, right) => right.renewedMs - left.renewedMs);
    const endpoints = new Set([
      ...this.#ownEndpoints,
      ...listed.flatMap((replica) => replica.endpoints),
    ]);
    return [...endpoints].slice(0, MAX_ENDPOINTS).sort();
  }

  #isOutdated(replica: Replica): boolean {
    return !this.#isAlive(replica) &&
      this.#options.clock.wallMs() - replica.renewedMs > RETENTION_MS;
  }

  /**
   * Deletes Leases of operators that are not alive: outdated ones, and those whose endpoints
   * another operator has by now, as after each restart.
   */
  async #collectGarbage(signal: AbortSignal): Promise<void> {
    const { client, namespace } = this.#options;
    const replicas = [...this.#replicas.values()];
    const taken = new Set(
      replicas.filter((replica) => this.#isAlive(replica)).flatMap((
        { endpoints },
      ) => endpoints),
    );
    for (const replica of replicas) {
      if (this.#isAlive(replica)) continue;
      const isReplaced = replica.endpoints.every((one) => taken.has(one));
      if (!isReplaced && !this.#isOutdated(replica)) continue;
      await client.delete(LEASE, { namespace, name: replica.name }, {
        signal,
        timeoutMs: CALL_TIMEOUT_MS,
      });
      this.#replicas.delete(replica.name);
    }
  }
}

/** Returns the kind of an endpoint's host; undefined when the text is no endpoint. */
function familyOf(endpoint: string): string | undefined {
  try {
    return parseEndpoint(endpoint).kind;
  } catch {
    return undefined;
  }
}

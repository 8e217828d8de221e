// SPDX-License-Identifier: Apache-2.0
/**
 * The pod lane of one device: what the API server wants there, what the device runs, and making the one into the other.
 * Reports and watch events only name pods to look at; `pods_worker.ts` looks.
 */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  createBackoff,
  createKeyedQueue,
  createScope,
  type KeyedQueue,
  type Logger,
  type Meter,
  NO_METER,
  type Scope,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type EventRecorder,
  keyOf,
  type KubeClient,
  type Pod,
} from "../kube/mod.ts";
import { type PodDns, toPodSpec } from "../podspec/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  type Blobs,
  BlobsSchema,
  create,
  type EventList,
  type FetchBlobs,
  type PodStatusList,
} from "../../shared/wire/mod.ts";
import { PodDevice } from "./device_pods.ts";
import type { PodSources, PodSubscription } from "./sources.ts";
import { findContainer, type PodTargetInfo } from "./target.ts";
import { PodTokens } from "./tokens.ts";
import { PodWorker } from "./sync_pod.ts";

/** Options of {@linkcode createPodLane}. */
export interface PodLaneOptions {
  /** The node's name, which is the device's too. */
  node: string;
  client: KubeClient;
  /** Shared by all devices. */
  sources: PodSources;
  /** Shared by all devices. */
  events: EventRecorder;
  /** The device's session; it outlives links. */
  session: Pick<Session, "request">;
  /** Whether this pod is the virtual one (or somebody else's of its name) and not ours to run. */
  isExcluded: (pod: Pod) => boolean;
  /** Name servers and search list of the device's pods; undefined: the device's own are used. */
  dns: () => PodDns | undefined;
  /** What the node offers, for resourceFieldRef without a limit. @default nothing */
  allocatable?: () => { cpuMillis: number; memoryBytes: number };
  /** Bound of one request to the device, in milliseconds. @default a minute */
  requestTimeoutMs?: () => number;
  /** Between two comparisons with the device's whole list, in milliseconds. @default ten minutes */
  forceSyncMs?: () => number;
  log: Logger;
  meter?: Meter;
  clock?: Clock;
}

/** One device's pod lane. Methods may be called at any time, in any order. */
export interface PodLane extends AsyncDisposable {
  /** The device has a link (again): lists its pods, compares, sends the differences, writes every status back. */
  onConnected(options: { capabilities: readonly string[] }): void;
  /** The link is gone for good (after `offlineAfter`): nothing that may run there is finalized. */
  onDisconnected(): void;
  /** METHOD_REPORT_PODS. Resolves when taken; writing goes on behind. */
  onReport(list: PodStatusList): Promise<void>;
  /** METHOD_REPORT_EVENTS: those about pods; others are returned. */
  onEvents(list: EventList): EventList["events"];
  /** METHOD_FETCH_BLOBS: only what a pod of this device refers to. @throws {AranyaError} "not_found" for other hashes */
  fetchBlobs(request: FetchBlobs): Promise<Blobs>;
  /**
   * Finds a container for the stream lane; empty: the pod's default one.
   * @throws {AranyaError} "not_found" when pod or container isn't there
   */
  findTarget(target: {
    namespace: string;
    pod: string;
    container: string;
    uid?: string;
  }): PodTargetInfo;
  /** Pods bound to the node, the virtual one not counted, with their last status; for /pods. */
  listPods(options: { running: boolean }): Pod[];
  /** Names a pod by its UID. */
  nameOfPod(uid: string): { namespace: string; name: string } | undefined;
  /** Resolves when nothing is left to do at this moment; for tests and for ending. */
  idle(): Promise<void>;
  /** Stops. Nothing is removed on the device. */
  close(): Promise<void>;
}

/** Pods of one device that are worked on at the same time. */
const CONCURRENCY = 8;
const FORCE_SYNC_MS = 600_000;

/** Starts the lane; it waits for the shared informers by itself. */
export function createPodLane(options: PodLaneOptions): PodLane {
  return new Lane(options);
}

/** One hello: what the agent can do, and whether its list of pods is in. */
interface Connection {
  capabilities: readonly string[];
  scope: Scope;
  listed: boolean;
}

class Lane implements PodLane {
  readonly #options: PodLaneOptions;
  readonly #log: Logger;
  readonly #meter: Meter;
  readonly #device: PodDevice;
  readonly #worker: PodWorker;
  readonly #queue: KeyedQueue;
  readonly #subscription: PodSubscription;
  #connection: Connection | undefined;
  #closed = false;

  constructor(options: PodLaneOptions) {
    this.#options = options;
    const { node, client, sources, events, isExcluded, dns } = options;
    const clock = options.clock ?? SYSTEM_CLOCK;
    this.#log = options.log.with({ node });
    this.#meter = options.meter ?? NO_METER;
    this.#device = new PodDevice(
      options.session,
      options.requestTimeoutMs && { timeoutMs: options.requestTimeoutMs },
    );
    this.#worker = new PodWorker({
      node,
      client,
      sources,
      subscription: () => this.#subscription,
      events,
      device: this.#device,
      tokens: new PodTokens(client, clock),
      isExcluded,
      dns,
      allocatable: options.allocatable ??
        (() => ({ cpuMillis: 0, memoryBytes: 0 })),
      link: () => this.#link(),
      wake: (key, when) => this.#queue.add(key, when),
      clock,
    });
    this.#queue = createKeyedQueue({
      work: (key, signal) => this.#look(key, signal),
      concurrency: CONCURRENCY,
      onError: (key, error, retryMs) => this.#onError(key, { error, retryMs }),
    });
    this.#subscription = sources.subscribe(
      node,
      (key, when) => this.#queue.add(key, when),
    );
    // Rejects only when the sources are closed, and then there is nothing to look at.
    sources.synced.then(() => this.#wakeAll(), () => {});
  }

  onConnected({ capabilities }: { capabilities: readonly string[] }): void {
    if (this.#closed) return;
    this.onDisconnected();
    this.#device.restart();
    const scope = createScope({
      onError: (error) => this.#log.error("pod lane failed", { error }),
    });
    const connection = { capabilities, scope, listed: false };
    this.#connection = connection;
    scope.run((signal) => this.#list(connection, signal));
  }

  onDisconnected(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    void connection?.scope.close(
      new AranyaError(
        "unavailable",
        `Cannot reach device "${this.#options.node}": its link has gone`,
      ),
    );
  }

  onReport(list: PodStatusList): Promise<void> {
    for (const key of this.#device.learn(list)) this.#queue.add(key);
    return Promise.resolve();
  }

  onEvents(list: EventList): EventList["events"] {
    const pods = new Map(
      this.#pods().map((pod) => [pod.metadata.uid ?? "", pod]),
    );
    return list.events.filter((event) => {
      if (event.podUid === "") return true;
      const pod = pods.get(event.podUid);
      // Of a pod whose object is gone there is nobody to tell.
      if (!pod) return false;
      const { namespace = "", name, uid = "" } = pod.metadata;
      this.#options.events.record({
        involvedObject: {
          apiVersion: "v1",
          kind: "Pod",
          namespace,
          name,
          uid,
          ...(event.container === ""
            ? {}
            : { fieldPath: fieldPathOf(pod, event.container) }),
        },
        type: event.warning ? "Warning" : "Normal",
        reason: event.reason,
        message: event.message,
        host: this.#options.node,
      });
      return false;
    });
  }

  fetchBlobs(request: FetchBlobs): Promise<Blobs> {
    // What is thrown has to arrive as a rejection.
    return Promise.try(() => this.#readBlobs(request));
  }

  #readBlobs({ podUid, sha256 }: FetchBlobs): Blobs {
    const pod = this.#pods().find(({ metadata }) => metadata.uid === podUid);
    if (!pod) {
      throw new AranyaError(
        "not_found",
        `Cannot fetch files of pod with UID ${
          JSON.stringify(podUid)
        }: it isn't on this node`,
      );
    }
    const { blobs } = toPodSpec(pod, this.#worker.lookups(pod));
    return create(BlobsSchema, {
      contents: sha256.map((hash) => {
        const content = blobs.get(hash);
        if (content) return content;
        throw new AranyaError(
          "not_found",
          `Cannot fetch file ${hash} of pod "${
            keyOf(pod)
          }": the pod does not refer to it any more`,
        );
      }),
    });
  }

  findTarget(target: {
    namespace: string;
    pod: string;
    container: string;
    uid?: string;
  }): PodTargetInfo {
    const key = `${target.namespace}/${target.pod}`;
    const pod = this.#pods().find((one) => keyOf(one) === key);
    const uid = pod?.metadata.uid;
    if (!pod || (target.uid !== undefined && target.uid !== uid)) {
      throw new AranyaError(
        "not_found",
        `Cannot find pod ${
          JSON.stringify(key)
        }: it isn't on node "${this.#options.node}"`,
      );
    }
    return findContainer(target.container, {
      pod,
      remote: this.#device.find(uid ?? ""),
    });
  }

  listPods({ running }: { running: boolean }): Pod[] {
    return this.#pods().filter(({ status }) =>
      !running || status?.phase === "Running"
    );
  }

  nameOfPod(uid: string): { namespace: string; name: string } | undefined {
    const pod = this.#pods().find(({ metadata }) => metadata.uid === uid);
    if (!pod) return undefined;
    const { namespace = "", name } = pod.metadata;
    return { namespace, name };
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const scope = this.#connection?.scope;
    this.onDisconnected();
    this.#subscription.close();
    await this.#queue[Symbol.asyncDispose]();
    await scope?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Asks the device for its pods until it answers; only then anything is sent or ended. Asks again from time to time, for what was missed. */
  async #list(connection: Connection, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({
      initialDelayMs: 500,
      maxDelayMs: 15_000,
      jitter: 0.5,
    });
    const clock = this.#options.clock ?? SYSTEM_CLOCK;
    for (;;) {
      try {
        const keys = await this.#device.list(signal);
        connection.listed = true;
        for (const key of keys) this.#queue.add(key);
        this.#wakeAll();
        backoff.reset();
        const { forceSyncMs = () => FORCE_SYNC_MS } = this.#options;
        // Spread, so that not all devices are asked at once.
        await clock.sleep(forceSyncMs() * (0.8 + 0.2 * Math.random()), {
          signal,
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn("device did not list its pods, asking again", { error });
        await clock.sleep(backoff.next(), { signal });
      }
    }
  }

  #link():
    | { capabilities: readonly string[]; signal: AbortSignal }
    | undefined {
    const connection = this.#connection;
    if (!connection?.listed) return undefined;
    const { capabilities, scope } = connection;
    return { capabilities, signal: scope.signal };
  }

  async #look(key: string, signal: AbortSignal): Promise<void> {
    const { signal: link } = this.#link() ?? {};
    const startMs = performance.now();
    try {
      await this.#worker.look(key, signal);
    } catch (error) {
      // The next hello looks at everything again.
      if (link?.aborted && !signal.aborted) return;
      throw error;
    } finally {
      this.#meter.time("pod_look", { ms: performance.now() - startMs });
    }
  }

  #wakeAll(): void {
    const { sources, node } = this.#options;
    for (const pod of sources.podsOfNode(node)) this.#queue.add(keyOf(pod));
    for (const key of this.#device.keys()) this.#queue.add(key);
  }

  /** One pod's trouble is its own: it is logged, told to its users when they can mend it, and tried again. */
  #onError(
    key: string,
    { error, retryMs }: { error: unknown; retryMs: number },
  ): void {
    const failure = asAranyaError(error, `Cannot look after pod "${key}"`);
    const fields = { pod: key, ms: Math.round(retryMs), error: failure };
    if (failure.code === "unavailable" || retryMs > 1000) {
      this.#log.debug("pod not settled, trying again", fields);
    } else this.#log.warn("pod not settled, trying again", fields);
    if (["invalid", "unsupported", "too_large"].includes(failure.code)) {
      this.#worker.explain(key, failure);
    }
  }

  /** Pods that this lane looks after. */
  #pods(): Pod[] {
    const { sources, node, isExcluded } = this.#options;
    return sources.podsOfNode(node).filter((pod) =>
      !isExcluded(pod) && sources.serves(pod.metadata.namespace ?? "")
    );
  }
}

function fieldPathOf({ spec }: Pod, container: string): string {
  const init = spec.initContainers?.some(({ name }) => name === container);
  return `spec.${init ? "initContainers" : "containers"}{${container}}`;
}

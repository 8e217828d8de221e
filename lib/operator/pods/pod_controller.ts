// SPDX-License-Identifier: Apache-2.0
/** Controls the pods of one device. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  createBackoff,
  KeyedQueue,
  type Logger,
  type Meter,
  NO_METER,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type EventRecorder,
  keyOf,
  type KubeClient,
  type Pod,
} from "../kube/mod.ts";
import { toFileBytes, toPodSpec } from "../podspec/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  type Blobs,
  BlobsSchema,
  create,
  type EventList,
  type FetchBlobs,
  type PodStatusList,
} from "../../shared/wire/mod.ts";
import { PodConnection } from "./connection.ts";
import { PodDevice } from "./device_pods.ts";
import type { PodNode, PodSettings } from "./device_state.ts";
import { NodePods, type PodDirectory } from "./pod_directory.ts";
import type { PodSources, PodSubscription } from "./sources.ts";
import { PodSyncer } from "./sync_pod.ts";
import { PodTokens } from "./tokens.ts";

/** Options of {@linkcode PodController}. */
export interface PodControllerOptions {
  node: PodNode;
  settings: PodSettings;
  client: KubeClient;
  /** Shared by all devices. */
  sources: PodSources;
  /** Shared by all devices. */
  events: EventRecorder;
  /** The device's session; it outlives links. */
  session: Pick<Session, "request">;
  log: Logger;
  /** @default none */
  meter?: Meter;
  /** @default the machine's */
  clock?: Clock;
}

/** Number of pods of one device that are synced at the same time. */
const CONCURRENCY = 8;
/**
 * Intervals of periodic lists are spread over this share, so that devices are not all asked at
 * once.
 */
const SYNC_SPREAD = 0.2;

/**
 * Pod controller of one device: compares the pods that the API server wants on the device with
 * those that the device reports, sends the differences to the device, and writes pod statuses back.
 * Level-based: reports and watch events only enqueue keys of pods, and {@linkcode PodSyncer} reads
 * the state anew.
 *
 * Starts with its construction and waits for the shared informers by itself. Methods may be called
 * at any time, in any order.
 */
export class PodController implements AsyncDisposable {
  readonly #options: PodControllerOptions;
  readonly #log: Logger;
  readonly #meter: Meter;
  readonly #clock: Clock;
  readonly #device: PodDevice;
  readonly #pods: NodePods;
  readonly #syncer: PodSyncer;
  readonly #queue: KeyedQueue;
  readonly #subscription: PodSubscription;
  readonly #connection = new PodConnection();
  #closed = false;

  constructor(options: PodControllerOptions) {
    this.#options = options;
    const { node, settings, client, sources, events } = options;
    const clock = options.clock ?? SYSTEM_CLOCK;
    this.#clock = clock;
    this.#log = options.log.with({ node: node.name });
    this.#meter = options.meter ?? NO_METER;
    this.#device = new PodDevice(options.session, settings);
    this.#pods = new NodePods({ node, sources, device: this.#device });
    this.#queue = new KeyedQueue({
      work: (key, signal) => this.#sync(key, signal),
      concurrency: CONCURRENCY,
      onError: (key, failure) => this.#onSyncFailed(key, failure),
    });
    this.#subscription = sources.subscribe(
      node.name,
      (key, when) => this.#queue.add(key, when),
    );
    this.#syncer = new PodSyncer({
      node,
      settings,
      client,
      sources,
      subscription: this.#subscription,
      events,
      device: this.#device,
      tokens: new PodTokens(client, clock),
      connection: this.#connection,
      queue: this.#queue,
      clock,
    });
    // Rejects only when the sources are closed; then there is nothing to sync.
    sources.synced.then(() => this.#enqueueAll(), () => {});
  }

  /** Pods of the device by name and UID, for calls of the kubelet API. */
  get directory(): PodDirectory {
    return this.#pods;
  }

  /**
   * Starts syncing with a device that has connected and is configured: lists its pods, then sends
   * the differences and writes every status. May be called again for each new link.
   */
  onConnected({ capabilities }: { capabilities: readonly string[] }): void {
    if (this.#closed) return;
    this.onDisconnected();
    this.#device.restart();
    this.#connection.open({
      capabilities,
      list: (onListed, signal) => this.#list(onListed, signal),
      onError: (error) => this.#log.error("pod controller failed", { error }),
    });
  }

  /**
   * Stops sending to the device, which has been offline for `offlineAfter`. Pods that may still run
   * there are not finalized.
   */
  onDisconnected(): void {
    void this.#disconnect();
  }

  /**
   * Takes a report of METHOD_REPORT_PODS. Resolves at once; statuses are written in the background.
   */
  onReport(list: PodStatusList): Promise<void> {
    for (const key of this.#device.learn(list)) this.#queue.add(key);
    return Promise.resolve();
  }

  /** Records those events of METHOD_REPORT_EVENTS that concern pods, and returns the others. */
  onEvents(list: EventList): EventList["events"] {
    const pods = new Map(
      this.#pods.all().map((pod) => [pod.metadata.uid ?? "", pod]),
    );
    return list.events.filter((event) => {
      if (event.podUid === "") return true;
      const pod = pods.get(event.podUid);
      // No Pod object left to attach the Event to.
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
        host: this.#options.node.name,
      });
      return false;
    });
  }

  /**
   * Returns file contents for METHOD_FETCH_BLOBS.
   * @throws {AranyaError} "not_found" when the device has no such pod or the pod does not refer to
   * such a file
   */
  fetchBlobs(request: FetchBlobs): Promise<Blobs> {
    // What is thrown has to arrive as a rejection.
    return Promise.try(() => this.#readBlobs(request));
  }

  #readBlobs({ podUid, sha256 }: FetchBlobs): Blobs {
    const pod = this.#pods.findByUid(podUid);
    if (!pod) {
      throw new AranyaError(
        "not_found",
        `Cannot fetch files of pod with UID ${
          JSON.stringify(podUid)
        }: it isn't on this node`,
      );
    }
    const { blobs } = toPodSpec(pod, this.#syncer.lookups(pod));
    return create(BlobsSchema, {
      contents: sha256.map((hash) => {
        const content = blobs.get(hash);
        if (content) return toFileBytes(content);
        throw new AranyaError(
          "not_found",
          `Cannot fetch file ${hash} of pod "${
            keyOf(pod)
          }": the pod does not refer to it any more`,
        );
      }),
    });
  }

  /** Resolves when no pod is queued or being synced; later delays are not awaited. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  /** Stops the controller. Nothing is removed on the device. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    const disconnected = this.#disconnect();
    this.#subscription.close();
    await this.#queue[Symbol.asyncDispose]();
    await disconnected;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #disconnect(): Promise<void> {
    return this.#connection.close(
      new AranyaError(
        "unavailable",
        `Cannot reach device "${this.#options.node.name}": its link has gone`,
      ),
    );
  }

  /**
   * Lists the device's pods, with retries; then again after each sync interval, in case a report
   * was lost.
   */
  async #list(onListed: () => void, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({
      initialDelayMs: 500,
      maxDelayMs: 15_000,
      jitter: 0.5,
    });
    for (;;) {
      try {
        const keys = await this.#device.list(signal);
        onListed();
        for (const key of keys) this.#queue.add(key);
        this.#enqueueAll();
        backoff.reset();
        const { podSyncMs } = this.#options.settings;
        await this.#clock.sleep(
          podSyncMs * (1 - SYNC_SPREAD * Math.random()),
          { signal },
        );
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn("device did not list its pods, asking again", { error });
        await this.#clock.sleep(backoff.next(), { signal });
      }
    }
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const connection = this.#connection.listed?.signal;
    const startMs = performance.now();
    try {
      await this.#syncer.sync(key, signal);
    } catch (error) {
      // After a disconnect every pod is synced again with the next connection.
      if (connection?.aborted && !signal.aborted) return;
      throw error;
    } finally {
      this.#meter.time("pod_look", { ms: performance.now() - startMs });
    }
  }

  #enqueueAll(): void {
    const { sources, node } = this.#options;
    for (const pod of sources.podsOfNode(node.name)) {
      this.#queue.add(keyOf(pod));
    }
    for (const key of this.#device.keys()) this.#queue.add(key);
  }

  /**
   * Logs a failed sync, which the queue retries, and records an Event when the pod's users can do
   * something about it.
   */
  #onSyncFailed(
    key: string,
    { error, retryMs }: { error: unknown; retryMs: number },
  ): void {
    const failure = asAranyaError(error, `Cannot look after pod "${key}"`);
    const fields = { pod: key, ms: Math.round(retryMs), error: failure };
    if (failure.code === "unavailable" || retryMs > 1000) {
      this.#log.debug("pod not settled, trying again", fields);
    } else this.#log.warn("pod not settled, trying again", fields);
    if (["invalid", "unsupported", "too_large"].includes(failure.code)) {
      this.#syncer.explain(key, failure);
    }
  }
}

function fieldPathOf({ spec }: Pod, container: string): string {
  const init = spec.initContainers?.some(({ name }) => name === container);
  return `spec.${init ? "initContainers" : "containers"}{${container}}`;
}

// SPDX-License-Identifier: Apache-2.0
/** Controls the pods of one device. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  type ErrorCode,
  KeyedQueue,
  type Logger,
  LogLimit,
  type MemoryShare,
  type Meter,
  NO_METER,
  SYSTEM_CLOCK,
  type WorkFailure,
} from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import type {
  Blobs,
  EventList,
  FetchBlobs,
  PodStatusList,
} from "../../shared/wire/mod.ts";
import { type EventRecorder, keyOf } from "../kube/mod.ts";
import { DeviceConnection } from "./device_connection.ts";
import { DevicePods } from "./device_pods.ts";
import type { PodNode, PodSettings } from "./device_state.ts";
import { PodBlobs } from "./pod_blobs.ts";
import type { PodClient } from "./pod_client.ts";
import { NodePods, type PodDirectory } from "./pod_directory.ts";
import { PodEvents } from "./pod_events.ts";
import { PodTranslations } from "./pod_translations.ts";
import type { PodSources } from "./sources.ts";
import { PodStatusWriter } from "./status_writer.ts";
import type { PodSubscription } from "./subscriptions.ts";
import { PodSyncer } from "./sync_pod.ts";
import { PodTokens } from "./tokens.ts";

/** Options of {@linkcode PodController}. */
export interface PodControllerOptions {
  node: PodNode;
  settings: PodSettings;
  /** Shared by all devices. */
  client: PodClient;
  /** Shared by all devices. */
  sources: PodSources;
  /** Shared by all devices. */
  events: EventRecorder;
  /** The device's session; it outlives links. */
  session: Pick<Session, "request">;
  /**
   * What the device has of the memory for the statuses of all devices' pods; disposed with the
   * controller.
   * @default no bound but that of one device
   */
  memory?: MemoryShare;
  log: Logger;
  /** @default none */
  meter?: Meter;
  /** @default the machine's */
  clock?: Clock;
}

/** Number of pods of one device that are synced at the same time. */
const CONCURRENCY = 8;
/** Event reasons of failures whose cause the pod's users, or those of the cluster, can remove. */
const FAILURE_REASONS: Partial<Record<ErrorCode, string>> = {
  invalid: "FailedToSend",
  unsupported: "FailedToSend",
  too_large: "FailedToSend",
  forbidden: "FailedSync",
};
/** Retries after longer delays are not logged as warnings again. */
const MAX_WARNED_RETRY_MS = 1000;

/**
 * Pod controller of one device: compares the pods that the API server wants on the device with
 * those that the device reports, sends the differences to the device, and writes statuses back.
 * Level-based: reports and watch events only enqueue keys of pods, and {@linkcode PodSyncer} reads
 * the state anew.
 *
 * Starts with its construction; a pod is synced once its namespace has been read and the device is
 * connected. Methods may be called at any time and in any order.
 */
export class PodController implements AsyncDisposable {
  readonly #options: PodControllerOptions;
  readonly #log: Logger;
  readonly #meter: Meter;
  readonly #devicePods: DevicePods;
  readonly #pods: NodePods;
  readonly #blobs: PodBlobs;
  readonly #events: PodEvents;
  readonly #syncer: PodSyncer;
  readonly #queue: KeyedQueue;
  readonly #subscription: PodSubscription;
  readonly #connection: DeviceConnection;
  /** A device may report at any rate. */
  readonly #logLimit = new LogLimit();
  #loggedRefusedCount = 0;
  #closed = false;

  constructor(options: PodControllerOptions) {
    this.#options = options;
    const { node, settings, client, sources, session } = options;
    const clock = options.clock ?? SYSTEM_CLOCK;
    const log = options.log.with({ node: node.name });
    this.#log = log;
    this.#meter = options.meter ?? NO_METER;
    const devicePods = new DevicePods(session, {
      settings,
      memory: options.memory,
    });
    const tokens = new PodTokens({ client, clock });
    const translations = new PodTranslations({
      node,
      settings,
      sources,
      tokens,
    });
    this.#devicePods = devicePods;
    this.#connection = new DeviceConnection({
      devicePods,
      settings,
      onListed: (keys) => this.#onListed(keys),
      log,
      clock,
    });
    this.#pods = new NodePods({ node, sources, devicePods });
    this.#blobs = new PodBlobs({
      sources,
      pods: this.#pods,
      translations,
      tokens,
      enqueue: (podKey) => this.#queue.add(podKey),
    });
    this.#events = new PodEvents(options.events, {
      nodeName: node.name,
      clock,
    });
    this.#queue = new KeyedQueue({
      work: (key, signal) => this.#sync(key, signal),
      concurrency: CONCURRENCY,
      onError: (key, failure) => this.#onSyncFailed(key, failure),
    });
    const enqueue = this.#queue.add.bind(this.#queue);
    this.#subscription = sources.subscribe(node.name, {
      enqueue,
      onStateChanged: () => this.#enqueueAll(),
    });
    this.#syncer = new PodSyncer({
      node,
      client,
      sources,
      subscription: this.#subscription,
      devicePods,
      connection: this.#connection,
      translations,
      tokens,
      events: this.#events,
      statusWriter: new PodStatusWriter(client, clock),
      enqueue,
    });
  }

  /** Pods of the device by name and UID, for calls of the kubelet API. */
  get directory(): PodDirectory {
    return this.#pods;
  }

  /**
   * Starts syncing with a device that has connected and is configured: lists its pods, then sends
   * the differences and writes every status. Called again for each new link.
   */
  onDeviceConnected(
    { capabilities }: { capabilities: readonly string[] },
  ): void {
    if (this.#closed) return;
    void this.#disconnect();
    this.#connection.open({ capabilities });
  }

  /**
   * Stops sending to a device that has been offline for `offlineAfter`. Pods that may still run
   * there are not finalized.
   */
  onDeviceOffline(): void {
    void this.#disconnect();
  }

  /** Syncs all pods after the Node's `podSwitches` have changed. */
  onSwitchesChanged(): void {
    if (!this.#closed) this.#enqueueAll();
  }

  /**
   * Takes a report of METHOD_REPORT_PODS. Resolves at once; syncing goes on in the background.
   * Rejects with code "unavailable", after it has stored what it can, when the statuses of all
   * devices leave no room for the others: the device reports them again.
   */
  onPodsReported(list: PodStatusList): Promise<void> {
    const { deferredCount } = this.#devicePods;
    for (const key of this.#devicePods.addReport(list)) this.#queue.add(key);
    this.#logRefused();
    if (this.#devicePods.deferredCount === deferredCount) {
      return Promise.resolve();
    }
    return Promise.reject(
      new AranyaError(
        "unavailable",
        `Cannot store statuses of pods on node "${this.#options.node.name}": the memory for those of all devices is used up`,
      ),
    );
  }

  /**
   * Records those Events of METHOD_REPORT_EVENTS that concern pods, and returns the others.
   * @throws {AranyaError} code "unavailable" while the pods are not known yet
   */
  recordEvents(list: EventList): EventList["events"] {
    return this.#events.recordReported(list, {
      pods: this.#pods.listAll(),
      isComplete: this.#options.sources.hasListedPods(),
    });
  }

  /**
   * Returns contents of files for METHOD_FETCH_BLOBS.
   * @throws {AranyaError} "not_found" when the device has no such pod or the pod no such file,
   * "unavailable" while that is not known yet
   */
  fetchBlobs(request: FetchBlobs): Promise<Blobs> {
    return Promise.try(() => this.#blobs.fetch(request));
  }

  /** Resolves when no pod is queued or being synced; delayed syncs are not awaited. */
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
    this.#devicePods[Symbol.dispose]();
  }

  /** As {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #disconnect(): Promise<void> {
    return this.#connection.close(
      new AranyaError(
        "unavailable",
        `Cannot reach device "${this.#options.node.name}": its link has ended`,
      ),
    );
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { listed } = this.#connection;
    const startMs = performance.now();
    try {
      await this.#syncer.sync(key, signal);
    } catch (error) {
      // Failed because the device went offline: every pod is synced when it connects again.
      if (listed?.signal.aborted && !signal.aborted) return;
      throw error;
    } finally {
      this.#meter.time("aranya_pod_sync_seconds", {
        ms: performance.now() - startMs,
      });
    }
  }

  #onListed(podKeys: readonly string[]): void {
    this.#logRefused();
    for (const key of podKeys) this.#queue.add(key);
    this.#enqueueAll();
  }

  /** Logs that the device reports more about its pods than is stored. */
  #logRefused(): void {
    const { refusedCount } = this.#devicePods;
    if (refusedCount === this.#loggedRefusedCount) return;
    const admitted = this.#logLimit.admit("refused");
    if (!admitted) return;
    this.#log.warn("device reports too much, statuses of pods were dropped", {
      count: refusedCount - this.#loggedRefusedCount,
      ...admitted,
    });
    this.#loggedRefusedCount = refusedCount;
  }

  #enqueueAll(): void {
    const { sources, node } = this.#options;
    for (const pod of sources.listPods(node.name)) this.#queue.add(keyOf(pod));
    for (const key of this.#devicePods.keys()) this.#queue.add(key);
  }

  /**
   * Logs a failed sync, which the queue retries; records an Event if the pod itself is at fault.
   */
  #onSyncFailed(key: string, { error, retryMs }: WorkFailure): void {
    const failure = asAranyaError(error, `Cannot sync pod "${key}"`);
    const fields = {
      pod: key,
      retryMs: Math.round(retryMs),
      error: failure,
    };
    const isExpected = failure.code === "unavailable";
    if (isExpected || retryMs > MAX_WARNED_RETRY_MS) {
      this.#log.debug("pod not synced, will retry", fields);
    } else this.#log.warn("pod not synced, will retry", fields);
    const reason = FAILURE_REASONS[failure.code];
    if (reason !== undefined) {
      const { message } = failure;
      this.#syncer.warnOfFailure(key, { reason, message });
    }
  }
}

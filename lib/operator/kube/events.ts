// SPDX-License-Identifier: Apache-2.0
/** Events, as `kubectl describe` shows them: equal ones counted, and limited per object. */
import {
  type Clock,
  defined,
  hasCode,
  KeyedQueue,
  type Logger,
  SYSTEM_CLOCK,
  TokenBucket,
  toRfc3339,
} from "../../shared/base/mod.ts";
import type { KubeClient } from "./api.ts";
import { EVENT } from "./kinds.ts";
import type { KubeEvent, ObjectReference } from "./objects.ts";

/** An Event to record. */
export interface NewEvent {
  /** Needs kind, name, uid, and the namespace of a namespaced object. */
  involvedObject: ObjectReference;
  /** "Warning": someone may have to act. */
  type: "Normal" | "Warning";
  /** In CamelCase, e.g. "FailedMount". */
  reason: string;
  /** A sentence for people; cut after 1024 characters. */
  message: string;
  /** Name of the node that reports it. */
  host?: string;
  /** RFC 3339. @default now */
  time?: string;
}

/**
 * Writes Events. Dispose it to write what is still waiting: that waits for one second at most.
 */
export interface EventRecorder extends AsyncDisposable {
  /**
   * Records an Event, to be written in the background. Equal Events become one with a count. At
   * most 25 about one object are written at once, and one more per minute; the rest is dropped.
   * Never throws.
   */
  record(event: NewEvent): void;
  /** Resolves when everything recorded so far is written or dropped. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createEventRecorder}. */
export interface EventRecorderOptions {
  client: KubeClient;
  /** Gets one line when the API server begins to refuse Events. */
  log: Logger;
  /** @default SYSTEM_CLOCK */
  clock?: Clock;
}

/** A series of equal Events: one object at the API server. */
interface Series {
  event: NewEvent;
  name: string;
  namespace: string;
  firstTime: string;
  lastTime: string;
  count: number;
  /** Count that the API server has; 0: the object doesn't exist yet. */
  writtenCount: number;
  failureCount: number;
}

/** `source.component` and `reportingComponent`. */
const COMPONENT = "aranya";
/** How many series and buckets are remembered. */
const MAX_ENTRIES = 4096;
const BUCKET_SIZE = 25;
const REFILL_MS = 60_000;
const MAX_FAILURES = 3;
const MAX_MESSAGE_LENGTH = 1024;
const WRITE_TIMEOUT_MS = 10_000;
const DISPOSE_TIMEOUT_MS = 1000;

/** Creates a recorder. */
export function createEventRecorder(
  options: EventRecorderOptions,
): EventRecorder {
  return new QueuedEventRecorder(options);
}

class QueuedEventRecorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #queue: KeyedQueue;
  /** By what makes Events equal; least recently used first. */
  readonly #series = new Map<string, Series>();
  /** By UID of the involved object; least recently used first. */
  readonly #buckets = new Map<string, TokenBucket>();
  /** Makes names unique, also after a restart. */
  #serial = Date.now();
  /** A row of dropped Events is logged once. */
  #isDropLogged = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#queue = new KeyedQueue({
      work: (key, signal) => this.#write(key, signal),
      concurrency: 4,
    });
  }

  record(event: NewEvent): void {
    if (!this.#takeToken(event)) return;
    const message = event.message.slice(0, MAX_MESSAGE_LENGTH);
    const key = [
      event.involvedObject.uid,
      event.involvedObject.fieldPath,
      event.type,
      event.reason,
      message,
    ].join("\n");
    const time = event.time ?? toRfc3339(this.#clock.wallMs());
    const series = this.#series.get(key) ?? this.#createSeries(event, time);
    moveToEnd(this.#series, { key, value: series });
    series.event = { ...event, message };
    series.count++;
    series.lastTime = time;
    this.#queue.add(key);
  }

  flush(): Promise<void> {
    return this.#queue.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const flushed = new AbortController();
    const { signal } = flushed;
    await Promise.race([
      this.flush(),
      this.#clock.sleep(DISPOSE_TIMEOUT_MS, { signal }).catch(() => {}),
    ]);
    flushed.abort();
    await this.#queue[Symbol.asyncDispose]();
  }

  #createSeries(event: NewEvent, time: string): Series {
    const { name = "unknown", namespace = "default" } = event.involvedObject;
    this.#serial++;
    return {
      event,
      name: `${name}.${this.#serial.toString(16)}`,
      // Events about cluster-scoped objects belong into "default", where kubectl looks for them.
      namespace,
      firstTime: time,
      lastTime: time,
      count: 0,
      writtenCount: 0,
      failureCount: 0,
    };
  }

  /** Returns false when too many Events about this object were recorded lately. */
  #takeToken({ involvedObject }: NewEvent): boolean {
    const key = involvedObject.uid ?? involvedObject.name ?? "";
    const bucket = this.#buckets.get(key) ?? new TokenBucket({
      size: BUCKET_SIZE,
      refillMs: REFILL_MS,
      clock: this.#clock,
    });
    moveToEnd(this.#buckets, { key, value: bucket });
    return bucket.take();
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    const series = this.#series.get(key);
    if (!series || series.writtenCount === series.count) return;
    // More may be recorded while this count is on its way.
    const { count } = series;
    try {
      if (series.writtenCount === 0 || !await this.#patch(series, signal)) {
        await this.#options.client.create(EVENT, toEvent(series), {
          signal,
          timeoutMs: WRITE_TIMEOUT_MS,
        });
      }
      series.writtenCount = count;
      series.failureCount = 0;
      this.#isDropLogged = false;
    } catch (error) {
      if (signal.aborted) return;
      this.#retryOrDrop(key, { series, error });
    }
  }

  /**
   * Raises the count of an Event that was written before. Returns false when it has expired at the
   * API server; the series then continues under a new name.
   */
  async #patch(series: Series, signal: AbortSignal): Promise<boolean> {
    const { namespace, name, count, lastTime } = series;
    try {
      await this.#options.client.patch(EVENT, { namespace, name }, {
        body: { count, lastTimestamp: lastTime },
        signal,
        timeoutMs: WRITE_TIMEOUT_MS,
      });
      return true;
    } catch (error) {
      if (!hasCode(error, "not_found")) throw error;
      series.name = this.#createSeries(series.event, lastTime).name;
      series.firstTime = lastTime;
      return false;
    }
  }

  /** Throws, so that the queue retries, or drops the series: Events are best effort. */
  #retryOrDrop(
    key: string,
    { series, error }: { series: Series; error: unknown },
  ): void {
    if (
      hasCode(error, "unavailable", "timed_out") &&
      ++series.failureCount <= MAX_FAILURES
    ) throw error;
    this.#series.delete(key);
    if (!this.#isDropLogged) {
      this.#options.log.warn("event dropped", {
        reason: series.event.reason,
        error,
      });
    }
    this.#isDropLogged = true;
  }
}

/** Makes an entry the most recently used, and drops the least recently used above the limit. */
function moveToEnd<T>(
  map: Map<string, T>,
  { key, value }: { key: string; value: T },
): void {
  map.delete(key);
  map.set(key, value);
  while (map.size > MAX_ENTRIES) {
    const [oldest] = map.keys();
    if (oldest === undefined) break;
    map.delete(oldest);
  }
}

function toEvent(series: Series): KubeEvent {
  const { event, namespace, name } = series;
  return {
    metadata: { namespace, name },
    involvedObject: { apiVersion: "v1", ...event.involvedObject },
    type: event.type,
    reason: event.reason,
    message: event.message,
    source: { component: COMPONENT, ...defined({ host: event.host }) },
    firstTimestamp: series.firstTime,
    lastTimestamp: series.lastTime,
    count: series.count,
    reportingComponent: COMPONENT,
    reportingInstance: event.host ?? "",
  };
}

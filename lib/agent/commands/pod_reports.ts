// SPDX-License-Identifier: Apache-2.0
/** The reports of pod statuses and Events to the operator. */
import {
  type AranyaError,
  asAranyaError,
  type Clock,
  cutUtf8,
  hasCode,
  type Logger,
  Notifier,
  onAbort,
} from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import { Method, type PodStatus } from "../../shared/wire/mod.ts";
import type { PodEvent, PodReporter } from "../pods/mod.ts";
import { encodeFirstEvents, type TimedEvent } from "./event_list.ts";
import { encodeFirstStatuses } from "./status_list.ts";

/** Options of {@linkcode PodReports}. */
export interface PodReportsOptions {
  session: Pick<Session, "request" | "connected">;
  clock: Clock;
  log: Logger;
}

/** Reports of one kind that have not been sent. */
interface Pending<T> {
  method: Method;
  /** Upper bound of the elements of one request. */
  maxCount: number;
  /** Returns all elements, in the order in which to send them. */
  list(): T[];
  /** Encodes the first elements, at least one. */
  encodeFirst(elements: readonly T[]): { payload: Uint8Array; count: number };
  /** Drops an element that was sent or refused, unless there is a newer one in its place. */
  delete(element: T): void;
  onRefused(element: T, error: AranyaError): void;
}

/** Changes within this time are sent together. */
const BATCH_DELAY_MS = 20;
const REQUEST_TIMEOUT_MS = 30_000;
const RETRY_INTERVAL_MS = 5_000;
const MAX_EVENT_COUNT = 256;
const MAX_PODS_PER_REQUEST = 64;
/** As in the note of an Event of Kubernetes. */
const MAX_EVENT_MESSAGE_BYTES = 1024;

/**
 * Sends pod statuses and Events to the operator, several in one request. Of each pod only the
 * newest status is kept until it is sent; of the Events the newest 256. What the operator refuses
 * is dropped: it would refuse it again.
 */
export class PodReports
  implements Pick<PodReporter, "onPodStatus" | "onPodEvent"> {
  readonly #options: PodReportsOptions;
  /** Statuses to send, by pod UID. */
  readonly #statuses = new Map<string, PodStatus>();
  /** Events to send, oldest first. */
  readonly #events = new Set<TimedEvent>();
  /** Notified when there is something to send. */
  readonly #changes = new Notifier();
  /** Aborted to end the delay after the current attempt to send, should it fail. */
  #retryDelay = new AbortController();

  constructor(options: PodReportsOptions) {
    this.#options = options;
  }

  onPodStatus(status: PodStatus): void {
    this.#statuses.set(status.uid, status);
    this.#changes.notify();
  }

  onPodEvent(event: PodEvent): void {
    const timeUnixMs = BigInt(Math.trunc(this.#options.clock.wallMs()));
    const message = cutUtf8(event.message, MAX_EVENT_MESSAGE_BYTES);
    this.#events.add({ ...event, message, timeUnixMs });
    for (const oldest of this.#events) {
      if (this.#events.size <= MAX_EVENT_COUNT) break;
      this.#events.delete(oldest);
    }
    this.#changes.notify();
  }

  /** Retries at once what could not be sent. */
  onConnected(): void {
    this.#retryDelay.abort();
  }

  /** Sends until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, session } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#changes.wait(signal);
        await clock.sleep(BATCH_DELAY_MS, { signal });
      } catch {
        return;
      }
      // A link that comes up while the requests below fail must be noticed too.
      this.#retryDelay = new AbortController();
      const error = await this.#sendAll(signal);
      if (!error || signal.aborted) continue;
      // Without a link, requests time out for as long as the device is offline.
      const isOffline = error.code === "unavailable" || !session.connected;
      log[isOffline ? "debug" : "warn"]("pod report failed, will retry", {
        error,
      });
      this.#changes.notify();
      await this.#waitForRetry(signal);
    }
  }

  async #waitForRetry(signal: AbortSignal): Promise<void> {
    const delay = this.#retryDelay;
    using _listener = onAbort(signal, (reason) => delay.abort(reason));
    await this.#options.clock.sleep(RETRY_INTERVAL_MS, {
      signal: delay.signal,
    }).catch(() => {});
  }

  /** Returns the error of a failed request; what was not sent is kept, unless there is newer. */
  async #sendAll(signal: AbortSignal): Promise<AranyaError | undefined> {
    return await this.#sendStatuses(signal) ?? await this.#sendEvents(signal);
  }

  #sendStatuses(signal: AbortSignal): Promise<AranyaError | undefined> {
    const { log } = this.#options;
    return this.#sendInBatches<PodStatus>({
      method: Method.REPORT_PODS,
      maxCount: MAX_PODS_PER_REQUEST,
      list: () => [...this.#statuses.values()],
      encodeFirst: encodeFirstStatuses,
      delete: (pod) => {
        if (this.#statuses.get(pod.uid) === pod) this.#statuses.delete(pod.uid);
      },
      onRefused: ({ namespace, name }, error) =>
        log.warn("operator refused the status of a pod, it was dropped", {
          pod: `${namespace}/${name}`,
          error,
        }),
    }, signal);
  }

  #sendEvents(signal: AbortSignal): Promise<AranyaError | undefined> {
    const { log } = this.#options;
    return this.#sendInBatches<TimedEvent>({
      method: Method.REPORT_EVENTS,
      maxCount: MAX_EVENT_COUNT,
      list: () => [...this.#events],
      encodeFirst: encodeFirstEvents,
      delete: (event) => void this.#events.delete(event),
      onRefused: ({ reason }, error) =>
        log.warn("operator refused an event, it was dropped", {
          reason,
          error,
        }),
    }, signal);
  }

  /**
   * Sends all that is pending. A refused batch is sent again in halves, until the element that the
   * operator refuses is alone and is dropped.
   */
  async #sendInBatches<T>(
    pending: Pending<T>,
    signal: AbortSignal,
  ): Promise<AranyaError | undefined> {
    const { method } = pending;
    let maxCount = pending.maxCount;
    for (;;) {
      const elements = pending.list().slice(0, maxCount);
      if (elements.length === 0) return undefined;
      const { payload, count } = pending.encodeFirst(elements);
      const error = await this.#send(method, { payload, signal });
      if (error && !isRefused(error)) return error;
      if (error && count > 1) {
        maxCount = Math.ceil(count / 2);
        continue;
      }
      for (const element of elements.slice(0, count)) {
        if (error) pending.onRefused(element, error);
        pending.delete(element);
      }
      maxCount = Math.min(2 * maxCount, pending.maxCount);
    }
  }

  async #send(
    method: Method,
    { payload, signal }: { payload: Uint8Array; signal: AbortSignal },
  ): Promise<AranyaError | undefined> {
    try {
      await this.#options.session.request(method, payload, {
        timeoutMs: REQUEST_TIMEOUT_MS,
        signal,
      });
      return undefined;
    } catch (error) {
      return asAranyaError(error, "Cannot report pods");
    }
  }
}

/** Returns whether the operator would refuse the same request again. */
function isRefused(error: AranyaError): boolean {
  return hasCode(error, "too_large", "invalid");
}

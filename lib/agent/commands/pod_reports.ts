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
  #events: TimedEvent[] = [];
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
    this.#events.push({ ...event, message, timeUnixMs });
    if (this.#events.length > MAX_EVENT_COUNT) this.#events.shift();
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

  async #sendStatuses(signal: AbortSignal): Promise<AranyaError | undefined> {
    const { log } = this.#options;
    let maxCount = MAX_PODS_PER_REQUEST;
    while (this.#statuses.size > 0) {
      const pods = [...this.#statuses.values()].slice(0, maxCount);
      const { payload, count } = encodeFirstStatuses(pods);
      const error = await this.#send(Method.REPORT_PODS, { payload, signal });
      if (error && !isRefused(error)) return error;
      if (error && count > 1) {
        maxCount = halve(count);
        continue;
      }
      for (const pod of pods.slice(0, count)) {
        if (error) {
          log.warn("operator refused the status of a pod, it was dropped", {
            pod: `${pod.namespace}/${pod.name}`,
            error,
          });
        }
        if (this.#statuses.get(pod.uid) === pod) this.#statuses.delete(pod.uid);
      }
      maxCount = Math.min(2 * maxCount, MAX_PODS_PER_REQUEST);
    }
    return undefined;
  }

  async #sendEvents(signal: AbortSignal): Promise<AranyaError | undefined> {
    const { log } = this.#options;
    let maxCount = MAX_EVENT_COUNT;
    while (this.#events.length > 0) {
      const events = this.#events.slice(0, maxCount);
      const { payload, count } = encodeFirstEvents(events);
      const error = await this.#send(Method.REPORT_EVENTS, { payload, signal });
      if (error && !isRefused(error)) return error;
      if (error && count > 1) {
        maxCount = halve(count);
        continue;
      }
      const sent = new Set(events.slice(0, count));
      for (const { reason } of sent) {
        if (!error) break;
        log.warn("operator refused an event, it was dropped", {
          reason,
          error,
        });
      }
      this.#events = this.#events.filter((event) => !sent.has(event));
      maxCount = Math.min(2 * maxCount, MAX_EVENT_COUNT);
    }
    return undefined;
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
  return hasCode(error, "too_large") || hasCode(error, "invalid");
}

/** Returns how many elements to send next, to find the one that is refused. */
function halve(count: number): number {
  return Math.ceil(count / 2);
}

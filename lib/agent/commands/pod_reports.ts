// SPDX-License-Identifier: Apache-2.0
/** The reports of pod statuses and Events to the operator. */
import {
  type AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
  Notifier,
  onAbort,
} from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  encodeMessage,
  EventListSchema,
  Method,
  type PodStatus,
} from "../../shared/wire/mod.ts";
import type { PodEvent, PodReporter } from "../pods/mod.ts";
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
const MAX_EVENT_MESSAGE_LENGTH = 1024;

interface TimedEvent extends PodEvent {
  timeUnixMs: bigint;
}

/**
 * Sends pod statuses and Events to the operator, several in one request. Of each pod only the
 * newest status is kept until it is sent; of the Events the newest 256.
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
    const message = event.message.slice(0, MAX_EVENT_MESSAGE_LENGTH);
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
    while (this.#statuses.size > 0) {
      const pods = [...this.#statuses.values()].slice(0, MAX_PODS_PER_REQUEST);
      const { payload, count } = encodeFirstStatuses(pods);
      const error = await this.#send(Method.REPORT_PODS, { payload, signal });
      if (error) return error;
      for (const pod of pods.slice(0, count)) {
        if (this.#statuses.get(pod.uid) === pod) this.#statuses.delete(pod.uid);
      }
    }
    if (this.#events.length === 0) return undefined;
    const events = this.#events;
    this.#events = [];
    const error = await this.#send(Method.REPORT_EVENTS, {
      payload: encodeMessage(EventListSchema, { events }),
      signal,
    });
    if (error) {
      this.#events = [...events, ...this.#events].slice(-MAX_EVENT_COUNT);
    }
    return error;
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

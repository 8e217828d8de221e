// SPDX-License-Identifier: Apache-2.0
/** What the device tells by itself about pods: statuses and events, only when something has changed, several at a time. */
import {
  type AranyaError,
  asAranyaError,
  type Clock,
  type Logger,
} from "../../shared/base/mod.ts";
import type { Session } from "../../shared/session/mod.ts";
import {
  encodeMessage,
  EventListSchema,
  Method,
  type PodStatus,
  PodStatusListSchema,
} from "../../shared/wire/mod.ts";
import type { PodEvent } from "../pods/mod.ts";

/** Options of {@linkcode createReports}. */
export interface ReportsOptions {
  session: Pick<Session, "request">;
  clock: Clock;
  log: Logger;
}

/** See {@linkcode createReports}. */
export interface Reports {
  /** The pod's newest status; an older one that was not sent yet is dropped. */
  status(status: PodStatus): void;
  /** An event; while there is no link the oldest ones are dropped. */
  event(event: PodEvent): void;
  /** There is a link (again): what could not be sent is sent now. */
  connected(): void;
  /** Sends until the signal; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Changes that come together are sent together. */
const GATHER_MS = 20;
const REQUEST_TIMEOUT_MS = 30_000;
const RETRY_MS = 5_000;
const MAX_EVENTS = 256;
const MAX_PODS_A_REPORT = 64;

interface TimedEvent extends PodEvent {
  timeUnixMs: bigint;
}

/** Makes the reporter. */
export function createReports(options: ReportsOptions): Reports {
  return new PodReports(options);
}

class PodReports implements Reports {
  readonly #options: ReportsOptions;
  readonly #statuses = new Map<string, PodStatus>();
  #events: TimedEvent[] = [];
  #wake = Promise.withResolvers<void>();
  #wakeRetry = Promise.withResolvers<void>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  status(status: PodStatus): void {
    this.#statuses.set(status.uid, status);
    this.#wake.resolve();
  }

  event(event: PodEvent): void {
    const timeUnixMs = BigInt(Math.trunc(this.#options.clock.wallMs()));
    this.#events.push({ ...event, timeUnixMs });
    if (this.#events.length > MAX_EVENTS) this.#events.shift();
    this.#wake.resolve();
  }

  connected(): void {
    this.#wakeRetry.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => stopped.resolve(), { once: true });
    while (!signal.aborted) {
      await Promise.race([this.#wake.promise, stopped.promise]);
      await clock.sleep(GATHER_MS, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.#wake = Promise.withResolvers();
      this.#wakeRetry = Promise.withResolvers();
      const error = await this.#sendAll(signal);
      if (!error || signal.aborted) continue;
      const level = error.code === "unavailable" ? "debug" : "warn";
      log[level]("pods could not be reported", { error });
      this.#wake.resolve();
      const pause = new AbortController();
      await Promise.race([
        clock.sleep(RETRY_MS, { signal: pause.signal }).catch(() => {}),
        this.#wakeRetry.promise,
        stopped.promise,
      ]);
      pause.abort();
    }
  }

  /** Gives the failure; what was not sent is kept, unless something newer came. */
  async #sendAll(signal: AbortSignal): Promise<AranyaError | undefined> {
    while (this.#statuses.size > 0) {
      const pods = [...this.#statuses.values()].slice(0, MAX_PODS_A_REPORT);
      const failure = await this.#send(Method.REPORT_PODS, {
        payload: encodeMessage(PodStatusListSchema, { pods }),
        signal,
      });
      if (failure) return failure;
      for (const pod of pods) {
        if (this.#statuses.get(pod.uid) === pod) this.#statuses.delete(pod.uid);
      }
    }
    if (this.#events.length === 0) return undefined;
    const events = this.#events;
    this.#events = [];
    const failure = await this.#send(Method.REPORT_EVENTS, {
      payload: encodeMessage(EventListSchema, { events }),
      signal,
    });
    if (failure) this.#events = [...events, ...this.#events].slice(-MAX_EVENTS);
    return failure;
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

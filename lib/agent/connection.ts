// SPDX-License-Identifier: Apache-2.0
/** Keeps the device connected to the operator. */
import {
  AranyaError,
  asAranyaError,
  type Backoff,
  type Clock,
  createBackoff,
  type Logger,
} from "../shared/base/mod.ts";
import type { Session } from "../shared/session/mod.ts";
import type { LinkConnector } from "./connector.ts";

/** Receives what happens to the connection. */
export interface ConnectionListener {
  /** A link was opened, on which the session runs next. Must not throw. */
  onConnected(): void;
}

/** Options of {@linkcode OperatorConnection}. */
export interface OperatorConnectionOptions {
  /** "host:port", tried in turn; at least one. */
  endpoints: readonly string[];
  connector: LinkConnector;
  session: Pick<Session, "run" | "disconnect">;
  listener: ConnectionListener;
  /** Delays between attempts, as in agent.yaml. */
  backoff: { initialDelayMs: number; maxDelayMs: number; factor: number };
  log: Logger;
  clock: Clock;
  /** Returns a number from 0 (included) to 1 (excluded). @default Math.random */
  random?: () => number;
}

/** A link that lived shorter than this counts as a failure: it may end the same way again. */
const STABLE_LINK_MS = 30_000;
/** Knocks within this time after one are ignored: anybody on the path can send them. */
const KNOCK_INTERVAL_MS = 30_000;
/** Most losses are short: within this time after one, no delay is longer than `EAGER_DELAY_MS`. */
const EAGER_PERIOD_MS = 60_000;
const EAGER_DELAY_MS = 3_000;
const JITTER = 0.5;
/** Jitter of the longest delay, for errors that an early retry does not solve. */
const SLOW_JITTER = 0.2;
/**
 * Delay while another machine has the device. That may be this machine's own earlier link, which
 * the operator soon closes.
 */
const DUPLICATE_DELAY_MS = 5_000;
const MAX_REDIRECTS = 4;
/** Codes of errors that persist until someone changes configuration or version. */
const PERSISTENT_CODES: readonly string[] = [
  "unauthorized",
  "forbidden",
  "unsupported",
  "conflict",
  "invalid",
];

/** Result of one attempt: a link that ran to its end, or an error. */
type Outcome =
  | { connected: true; linkMs: number }
  | { connected: false; error: AranyaError };

/**
 * Opens a link, runs the session on it until the link ends, and opens the next one: with the
 * shortest delay after a link that lived for a while, with growing delays after errors and links
 * that ended at once.
 */
export class OperatorConnection {
  readonly #options: OperatorConnectionOptions;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  #lostAtMs: number;
  #knockedAtMs = -Infinity;
  /** Message of the last logged error; empty after a link. */
  #loggedMessage = "";

  constructor(options: OperatorConnectionOptions) {
    const { initialDelayMs, maxDelayMs, factor } = options.backoff;
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#backoff = createBackoff({
      initialDelayMs,
      maxDelayMs: Math.max(initialDelayMs, maxDelayMs),
      factor,
      jitter: JITTER,
      random: this.#random,
    });
    this.#lostAtMs = options.clock.monotonicMs();
  }

  /** Keeps the device connected until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const outcome = await this.#tryEndpoints(signal);
      if (signal.aborted) return;
      const delayMs = outcome.connected
        ? this.#onLinkEnded(outcome.linkMs)
        : this.#onFailure(outcome.error);
      await this.#options.clock.sleep(delayMs, { signal }).catch(() => {});
    }
  }

  /** Resets the delays after a stable link has ended; returns the next delay, in milliseconds. */
  #onLinkEnded(linkMs: number): number {
    if (linkMs < STABLE_LINK_MS) return this.#nextTransientDelayMs();
    this.#lostAtMs = this.#options.clock.monotonicMs();
    this.#loggedMessage = "";
    this.#backoff.reset();
    return this.#backoff.next();
  }

  /** Logs an error; returns the delay before the next attempt, in milliseconds. */
  #onFailure(error: AranyaError): number {
    const { log } = this.#options;
    // A repeated error is for developers.
    const level = error.message === this.#loggedMessage ? "debug" : "warn";
    log[level]("connection to the operator failed, will retry", { error });
    this.#loggedMessage = error.message;
    return this.#nextDelayMs(error);
  }

  #nextDelayMs({ code, details }: AranyaError): number {
    const { backoff: { maxDelayMs } } = this.#options;
    if (details?.reason === "DUPLICATE_DEVICE") {
      const longestMs = Math.min(maxDelayMs, DUPLICATE_DELAY_MS);
      return this.#addJitter(longestMs, SLOW_JITTER);
    }
    return PERSISTENT_CODES.includes(code)
      ? this.#addJitter(maxDelayMs, SLOW_JITTER)
      : this.#nextTransientDelayMs();
  }

  /** Returns the delay after an error that may pass at any time. */
  #nextTransientDelayMs(): number {
    const delayMs = this.#backoff.next();
    const lostMs = this.#options.clock.monotonicMs() - this.#lostAtMs;
    return lostMs < EAGER_PERIOD_MS
      ? Math.min(delayMs, this.#addJitter(EAGER_DELAY_MS, JITTER))
      : delayMs;
  }

  #addJitter(longestMs: number, jitter: number): number {
    return longestMs * (1 - jitter * this.#random());
  }

  /**
   * Tries the endpoints in turn, until a link has run to its end. Of several errors it returns the
   * first one that persists, because that one needs someone to act.
   */
  async #tryEndpoints(signal: AbortSignal): Promise<Outcome> {
    let error = new AranyaError("invalid", "Cannot connect: no endpoint");
    for (const endpoint of this.#options.endpoints) {
      const outcome = await this.#tryEndpoint(endpoint, signal);
      if (outcome.connected || signal.aborted) return outcome;
      if (!PERSISTENT_CODES.includes(error.code) || error.code === "invalid") {
        error = outcome.error;
      }
    }
    return { connected: false, error };
  }

  /** Connects to an endpoint, following redirects, and runs the session until the link ends. */
  async #tryEndpoint(endpoint: string, signal: AbortSignal): Promise<Outcome> {
    const { connector, session, listener, log, clock } = this.#options;
    const onKnock = () => this.#onKnock();
    let target = endpoint;
    for (let redirectCount = 0;; redirectCount++) {
      try {
        const { link, greeting } = await connector.connect(target, {
          signal,
          onKnock,
        });
        const startMs = clock.monotonicMs();
        log.info("link is up", { link: link.peer });
        listener.onConnected();
        const { reason } = await session.run(link, greeting);
        log.info("link is down", { link: link.peer, reason });
        return { connected: true, linkMs: clock.monotonicMs() - startMs };
      } catch (error) {
        const known = asAranyaError(error, `Cannot connect to ${target}`);
        const next = known.details?.endpoint;
        if (typeof next !== "string" || redirectCount >= MAX_REDIRECTS) {
          return { connected: false, error: known };
        }
        log.info("redirected by the operator", { address: next });
        target = next;
      }
    }
  }

  /** Ends the link, for another operator may be listening that doesn't know of it. */
  #onKnock(): void {
    const { clock, session } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#knockedAtMs < KNOCK_INTERVAL_MS) return;
    this.#knockedAtMs = nowMs;
    session.disconnect("another operator is listening");
  }
}

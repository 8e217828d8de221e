// SPDX-License-Identifier: Apache-2.0
/** Keeps the device connected to an operator. */
import {
  AranyaError,
  type Backoff,
  type Clock,
  createBackoff,
  type Logger,
} from "../shared/base/mod.ts";
import type { Session } from "../shared/session/mod.ts";
import type { ConnectedLink, LinkConnector } from "./connector.ts";
import { EndpointRace } from "./endpoint_race.ts";

/** Receives what happens to the connection. */
export interface ConnectionListener {
  /** A link was opened, on which the session runs next. Must not throw. */
  onConnected(): void;
}

/** The endpoints of the operators; they may change at any time. */
export interface EndpointList {
  /** "host:port", preferred first; at least one. */
  readonly endpoints: readonly string[];
  /** A link was opened on this endpoint, which may be another one after a redirect. */
  onConnected(endpoint: string): void;
}

/** Options of {@linkcode OperatorConnection}. */
export interface OperatorConnectionOptions {
  endpoints: EndpointList;
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
/**
 * After a link that lived for this long the eager period begins again, or the device would come
 * back late when operators are replaced one after the other.
 */
const USEFUL_LINK_MS = 5_000;
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
/** Codes of errors that persist until someone changes configuration or version. */
const PERSISTENT_CODES: readonly string[] = [
  "unauthorized",
  "forbidden",
  "unsupported",
  "conflict",
  "invalid",
];

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
    const { endpoints: list, connector, clock, log } = this.#options;
    const onKnock = () => this.#onKnock();
    while (!signal.aborted) {
      const { endpoints } = list;
      const race = new EndpointRace({
        endpoints,
        connector,
        onKnock,
        clock,
        log,
      });
      const result = await race.run(signal);
      let delayMs: number;
      if (result.kind === "connected") {
        delayMs = this.#onLinkEnded(await this.#runLink(result));
      } else {
        delayMs = signal.aborted ? 0 : this.#onFailure(result.errors);
      }
      await race.settled();
      if (signal.aborted) return;
      await clock.sleep(delayMs, { signal }).catch(() => {});
    }
  }

  /** Runs the session until the link ends; returns how long it lived, in milliseconds. */
  async #runLink(
    { endpoint, connected }: { endpoint: string; connected: ConnectedLink },
  ): Promise<number> {
    const { endpoints, listener, session, clock, log } = this.#options;
    const { link, greeting } = connected;
    const startMs = clock.monotonicMs();
    log.info("link is up", { link: link.peer });
    endpoints.onConnected(endpoint);
    listener.onConnected();
    try {
      const { reason } = await session.run(link, greeting);
      log.info("link is down", { link: link.peer, reason });
    } catch (error) {
      log.error("link failed", { link: link.peer, error });
      link.close("internal error");
    }
    return clock.monotonicMs() - startMs;
  }

  /** Resets the delays after a stable link has ended; returns the next delay, in milliseconds. */
  #onLinkEnded(linkMs: number): number {
    if (linkMs >= USEFUL_LINK_MS) {
      this.#lostAtMs = this.#options.clock.monotonicMs();
    }
    if (linkMs < STABLE_LINK_MS) return this.#nextTransientDelayMs();
    this.#loggedMessage = "";
    this.#backoff.reset();
    return this.#backoff.next();
  }

  /** Logs the errors of an attempt; returns the delay before the next, in milliseconds. */
  #onFailure(errors: readonly AranyaError[]): number {
    const { log } = this.#options;
    const decisive = findDecisive(errors);
    const error = decisive ?? findTelling(errors);
    // A repeated error is for developers.
    const level = error.message === this.#loggedMessage ? "debug" : "warn";
    log[level]("connection to the operator failed, will retry", { error });
    this.#loggedMessage = error.message;
    return this.#nextDelayMs(decisive);
  }

  /** @param decisive what an early retry does not solve */
  #nextDelayMs(decisive: AranyaError | undefined): number {
    if (!decisive) return this.#nextTransientDelayMs();
    const { backoff: { maxDelayMs } } = this.#options;
    const longestMs = isDuplicate(decisive)
      ? Math.min(maxDelayMs, DUPLICATE_DELAY_MS)
      : maxDelayMs;
    return this.#addJitter(longestMs, SLOW_JITTER);
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

  /** Ends the link, for another operator may be listening that doesn't know of it. */
  #onKnock(): void {
    const { clock, session } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#knockedAtMs < KNOCK_INTERVAL_MS) return;
    this.#knockedAtMs = nowMs;
    session.disconnect("another operator is listening");
  }
}

/**
 * Returns the error that retrying will not solve: a refusal by an operator, or, when every endpoint
 * failed persistently, the first error. An endpoint with an untrusted certificate alone is not
 * decisive while another endpoint is unreachable: its address may have been reassigned.
 */
function findDecisive(
  errors: readonly AranyaError[],
): AranyaError | undefined {
  const persistent = errors.filter(({ code }) =>
    PERSISTENT_CODES.includes(code)
  );
  return persistent.find(isDuplicate) ??
    persistent.find(({ details }) => details?.refusal ?? details?.reason) ??
    (persistent.length === errors.length ? persistent[0] : undefined);
}

/** Returns the error that explains most: that another operator leads is no problem by itself. */
function findTelling(errors: readonly AranyaError[]): AranyaError {
  return errors.find(({ details }) => details?.refusal !== "NOT_LEADER") ??
    errors[0] ??
    new AranyaError("invalid", "Cannot connect: there is no endpoint");
}

function isDuplicate({ details }: AranyaError): boolean {
  return details?.reason === "DUPLICATE_DEVICE";
}

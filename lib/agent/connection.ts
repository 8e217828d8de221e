// SPDX-License-Identifier: Apache-2.0
/** Keeps the device connected: dials, proves who it is, greets, runs the session until the link ends, and begins again. */
import {
  AranyaError,
  asAranyaError,
  type Clock,
  createBackoff,
  type Logger,
} from "../shared/base/mod.ts";
import type { Link } from "../shared/link/mod.ts";
import type { Greeting, Session } from "../shared/session/mod.ts";

/** Options of {@linkcode keepConnected}. */
export interface KeepConnectedOptions {
  /** Tried in turn, at least one. */
  endpoints: readonly string[];
  /** Tries one end point: link, handshake, greeting. */
  connect(
    endpoint: string,
    signal: AbortSignal,
  ): Promise<{ link: Link; greeting: Greeting }>;
  session: Pick<Session, "run">;
  backoff: { initialDelayMs: number; maxDelayMs: number; factor: number };
  /** The link is up; must not throw. */
  onConnected(greeting: Greeting): void;
  log: Logger;
  clock: Clock;
  signal: AbortSignal;
  /** From 0 to 1. @default Math.random */
  random?: () => number;
}

/** For so long after a loss no wait is longer than `EAGER_DELAY_MS`: most losses are short. */
const EAGER_PHASE_MS = 60_000;
const EAGER_DELAY_MS = 3_000;
const JITTER = 0.5;
/** Share of the longest delay that is random when trying again soon makes no sense. */
const SLOW_JITTER = 0.2;
/** Another machine has the device: when that is this one's former self, it is gone soon. */
const DUPLICATE_DELAY_MS = 5_000;
const MAX_REDIRECTS = 4;
/** Errors that only a person, or a new file, can mend. */
const SLOW_CODES = [
  "unauthorized",
  "forbidden",
  "unsupported",
  "conflict",
  "invalid",
];

/** Runs until the signal; never rejects. */
export async function keepConnected(
  options: KeepConnectedOptions,
): Promise<void> {
  const { signal, clock, log } = options;
  const random = options.random ?? Math.random;
  const { initialDelayMs, maxDelayMs, factor } = options.backoff;
  const backoff = createBackoff({
    initialDelayMs,
    maxDelayMs: Math.max(initialDelayMs, maxDelayMs),
    factor,
    jitter: JITTER,
    random,
  });
  let lostAtMs = clock.monotonicMs();
  let lastComplaint = "";
  while (!signal.aborted) {
    const outcome = await tryAll(options);
    if (signal.aborted) return;
    let delayMs = backoff.next();
    if (outcome.connected) {
      lostAtMs = clock.monotonicMs();
      lastComplaint = "";
      backoff.reset();
      delayMs = backoff.next();
    } else {
      const { error } = outcome;
      // The same complaint again and again helps nobody.
      const level = error.message === lastComplaint ? "debug" : "warn";
      log[level]("operator can't be reached", { error });
      lastComplaint = error.message;
      if (error.details?.reason === "DUPLICATE_DEVICE") {
        delayMs = Math.min(maxDelayMs, DUPLICATE_DELAY_MS) *
          (1 - SLOW_JITTER * random());
      } else if (SLOW_CODES.includes(error.code)) {
        delayMs = maxDelayMs * (1 - SLOW_JITTER * random());
      } else if (clock.monotonicMs() - lostAtMs < EAGER_PHASE_MS) {
        delayMs = Math.min(delayMs, EAGER_DELAY_MS * (1 - JITTER * random()));
      }
    }
    await clock.sleep(delayMs, { signal }).catch(() => {});
  }
}

type Outcome = { connected: true } | { connected: false; error: AranyaError };

/** One round over the end points; a link that came up ends the round when it ends. */
async function tryAll(options: KeepConnectedOptions): Promise<Outcome> {
  let error = new AranyaError("invalid", "Cannot connect: no end point");
  for (const endpoint of options.endpoints) {
    const outcome = await tryOne(endpoint, options);
    if (outcome.connected || options.signal.aborted) return outcome;
    // Of several failures the one that a person must mend is the one to tell.
    if (!SLOW_CODES.includes(error.code) || error.code === "invalid") {
      error = outcome.error;
    }
  }
  return { connected: false, error };
}

async function tryOne(
  endpoint: string,
  options: KeepConnectedOptions,
): Promise<Outcome> {
  const { signal, log, session } = options;
  let target = endpoint;
  for (let redirects = 0;; redirects++) {
    try {
      const { link, greeting } = await options.connect(target, signal);
      log.info("link is up", { link: link.peer });
      options.onConnected(greeting);
      const end = await session.run(link, greeting);
      log.info("link is down", { link: link.peer, reason: end.reason });
      return { connected: true };
    } catch (error) {
      const known = asAranyaError(error, `Cannot connect to ${target}`);
      const next = known.details?.endpoint;
      if (typeof next !== "string" || redirects >= MAX_REDIRECTS) {
        return { connected: false, error: known };
      }
      log.info("operator redirects", { address: next });
      target = next;
    }
  }
}

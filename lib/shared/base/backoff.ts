// SPDX-License-Identifier: Apache-2.0
/** Growing delays with jitter. */

/** Options of {@linkcode createBackoff}. */
export interface BackoffOptions {
  /** First delay in milliseconds. */
  initialDelayMs: number;
  /** No delay is longer than this, in milliseconds. */
  maxDelayMs: number;
  /** Each delay is the former one times this. @default 2 */
  factor?: number;
  /** Share of the delay that is random, 0 to 1: a delay d becomes d·(1-jitter) … d. @default 0 */
  jitter?: number;
  /** From 0 (included) to 1 (excluded). @default Math.random */
  random?: () => number;
}

/** A row of delays. */
export interface Backoff {
  /** The next delay in milliseconds. */
  next(): number;
  /** Starts over with the first delay. */
  reset(): void;
}

/** Makes a row of growing delays. @throws {RangeError} when a delay is negative or `factor` below 1 */
export function createBackoff(options: BackoffOptions): Backoff {
  const {
    initialDelayMs,
    maxDelayMs,
    factor = 2,
    jitter = 0,
    random = Math.random,
  } = options;
  if (initialDelayMs < 0 || maxDelayMs < initialDelayMs) {
    throw new RangeError(
      `Cannot create backoff: delays must rise from 0: current values are ${initialDelayMs} and ${maxDelayMs}`,
    );
  }
  if (factor < 1) {
    throw new RangeError(
      `Cannot create backoff: "factor" must be at least 1: current value is ${factor}`,
    );
  }
  let delayMs = initialDelayMs;
  return {
    next() {
      const current = delayMs;
      delayMs = Math.min(maxDelayMs, delayMs * factor);
      return current * (1 - jitter * random());
    },
    reset() {
      delayMs = initialDelayMs;
    },
  };
}

// SPDX-License-Identifier: Apache-2.0
/** Growing delays between attempts, with jitter. */

/** Options of {@linkcode createBackoff}. */
export interface BackoffOptions {
  /** First delay, in milliseconds. */
  initialDelayMs: number;
  /** Upper bound of every delay, in milliseconds. */
  maxDelayMs: number;
  /** Each delay is the previous one times this. @default 2 */
  factor?: number;
  /** Random share of a delay d, 0 to 1: the result is between d·(1-jitter) and d. @default 0 */
  jitter?: number;
  /** Returns a number from 0 (included) to 1 (excluded). @default Math.random */
  random?: () => number;
}

/** A sequence of delays. */
export interface Backoff {
  /** Returns the next delay, in milliseconds. */
  next(): number;
  /** Makes the next delay the first one again. */
  reset(): void;
}

/**
 * Creates a sequence of growing delays.
 * @throws {RangeError} when a delay is negative, `maxDelayMs` below `initialDelayMs` or `factor`
 * below 1
 *
 * @example
 * ```ts
 * const backoff = createBackoff({ initialDelayMs: 500, maxDelayMs: 15_000, jitter: 0.3 });
 * await clock.sleep(backoff.next(), { signal });
 * ```
 */
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

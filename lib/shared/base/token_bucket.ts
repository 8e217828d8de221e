// SPDX-License-Identifier: Apache-2.0
/** Limits how often something happens. */
import type { Clock } from "./clock.ts";

/** Options of {@linkcode TokenBucket}. */
export interface TokenBucketOptions {
  /** Number of times that it may happen at once; the bucket is full at the start. */
  size: number;
  /** Time after which it may happen once more, in milliseconds. */
  refillMs: number;
  clock: Pick<Clock, "monotonicMs">;
}

/**
 * A token bucket: allows a burst, and after it a steady rate.
 *
 * @example
 * ```ts
 * const bucket = new TokenBucket({ size: 25, refillMs: 60_000, clock });
 * if (bucket.take()) record(event);
 * ```
 */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #tokenCount: number;
  #refilledMs: number;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#tokenCount = options.size;
    this.#refilledMs = options.clock.monotonicMs();
  }

  /** Takes a token; returns false when there is none. */
  take(): boolean {
    const { size, refillMs, clock } = this.#options;
    const gained = Math.floor(
      (clock.monotonicMs() - this.#refilledMs) / refillMs,
    );
    this.#tokenCount = Math.min(size, this.#tokenCount + gained);
    this.#refilledMs += gained * refillMs;
    if (this.#tokenCount === 0) return false;
    this.#tokenCount--;
    return true;
  }
}

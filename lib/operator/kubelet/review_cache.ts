// SPDX-License-Identifier: Apache-2.0
/** A bounded cache of review results. */
import type { Clock } from "../../shared/base/mod.ts";

/** Options of {@linkcode ReviewCache}. */
export interface ReviewCacheOptions<T> {
  /** Returns how long a result is valid, in milliseconds; 0: it is not cached. */
  ttlMs(result: T): number;
  /** Above this number the oldest results are dropped. */
  maxEntries: number;
  clock: Clock;
}

/**
 * Caches results by key for a limited time. Calls for a key whose review is in progress share its
 * result.
 */
export class ReviewCache<T> {
  readonly #options: ReviewCacheOptions<T>;
  /** In order of insertion, so that the first is the oldest. */
  readonly #results = new Map<string, { result: T; expiryMs: number }>();
  readonly #pending = new Map<string, Promise<T>>();

  constructor(options: ReviewCacheOptions<T>) {
    this.#options = options;
  }

  /** Number of cached results, including expired ones. */
  get size(): number {
    return this.#results.size;
  }

  /**
   * Returns the cached result for this key, else the one of `review`. A rejection is passed on and
   * not cached.
   */
  async get(key: string, review: () => Promise<T>): Promise<T> {
    const cached = this.#results.get(key);
    if (cached && cached.expiryMs > this.#options.clock.monotonicMs()) {
      return cached.result;
    }
    this.#results.delete(key);
    const running = this.#pending.get(key) ?? review();
    this.#pending.set(key, running);
    try {
      const result = await running;
      this.#store(key, result);
      return result;
    } finally {
      if (this.#pending.get(key) === running) this.#pending.delete(key);
    }
  }

  #store(key: string, result: T): void {
    const { ttlMs, maxEntries, clock } = this.#options;
    this.#results.delete(key);
    const validMs = ttlMs(result);
    if (validMs <= 0) return;
    this.#results.set(key, {
      result,
      expiryMs: clock.monotonicMs() + validMs,
    });
    for (const oldest of this.#results.keys()) {
      if (this.#results.size <= maxEntries) break;
      this.#results.delete(oldest);
    }
  }
}

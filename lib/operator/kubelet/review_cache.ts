// SPDX-License-Identifier: Apache-2.0
/** Answers that are remembered for a while, bounded in number; a question asked while its answer is on the way waits for that one. */
import type { Clock } from "../../shared/base/mod.ts";

/** Options of {@linkcode createReviewCache}. */
export interface ReviewCacheOptions<T> {
  /** How long an answer is true, in milliseconds. */
  ttlMs(answer: T): number;
  /** The oldest answers above this number are forgotten. */
  maxEntries: number;
  clock: Clock;
}

/** See {@linkcode createReviewCache}. */
export interface ReviewCache<T> {
  /** The answer remembered for this key, or the one that `ask` gives. A rejection is not remembered. */
  get(key: string, ask: () => Promise<T>): Promise<T>;
  /** How many answers are remembered, those out of date included. */
  readonly size: number;
}

/** Makes an empty cache. */
export function createReviewCache<T>(
  { ttlMs, maxEntries, clock }: ReviewCacheOptions<T>,
): ReviewCache<T> {
  const answers = new Map<string, { answer: T; dueMs: number }>();
  const pending = new Map<string, Promise<T>>();
  const remember = (key: string, answer: T) => {
    answers.delete(key);
    answers.set(key, { answer, dueMs: clock.monotonicMs() + ttlMs(answer) });
    for (const oldest of answers.keys()) {
      if (answers.size <= maxEntries) break;
      answers.delete(oldest);
    }
  };
  return {
    get size() {
      return answers.size;
    },
    async get(key, ask) {
      const known = answers.get(key);
      if (known && known.dueMs > clock.monotonicMs()) return known.answer;
      answers.delete(key);
      const running = pending.get(key) ?? ask();
      pending.set(key, running);
      try {
        const answer = await running;
        remember(key, answer);
        return answer;
      } finally {
        if (pending.get(key) === running) pending.delete(key);
      }
    },
  };
}

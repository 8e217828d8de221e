// SPDX-License-Identifier: Apache-2.0
/** Bounds how many calls run at the same time. */
import { onAbort } from "./abort.ts";

/** Options of one call of {@linkcode CallLimiter}. */
export interface LimitedCallOptions {
  /** Calls of high priority start before waiting ones of normal priority. @default "normal" */
  priority?: "high" | "normal";
  /** Ends the wait. */
  signal?: AbortSignal | undefined;
}

/**
 * Starts calls in their order, at most a number of them at the same time.
 *
 * @example
 * ```ts
 * const limiter = new CallLimiter({ concurrency: 12 });
 * const pod = await limiter.run(() => client.get(POD, ref), { priority: "high", signal });
 * ```
 */
export class CallLimiter {
  #freeCount: number;
  readonly #waiting = {
    high: new Set<() => void>(),
    normal: new Set<() => void>(),
  };

  constructor({ concurrency }: { concurrency: number }) {
    this.#freeCount = concurrency;
  }

  /** Number of calls that wait. */
  get waitingCount(): number {
    return this.#waiting.high.size + this.#waiting.normal.size;
  }

  /**
   * Runs a call once there is room, and returns what it returns.
   * @throws what the call throws; the signal's reason when it is aborted during the wait
   */
  async run<T>(
    call: () => Promise<T>,
    options: LimitedCallOptions = {},
  ): Promise<T> {
    await this.#enter(options);
    try {
      return await call();
    } finally {
      this.#leave();
    }
  }

  async #enter(
    { priority = "normal", signal }: LimitedCallOptions,
  ): Promise<void> {
    signal?.throwIfAborted();
    if (this.#freeCount > 0) {
      this.#freeCount--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = this.#waiting[priority];
    waiting.add(resolve);
    using _listener = onAbort(signal, (reason) => {
      if (waiting.delete(resolve)) reject(reason);
    });
    await promise;
  }

  /** Hands the room on to the next call. */
  #leave(): void {
    for (const waiting of [this.#waiting.high, this.#waiting.normal]) {
      for (const start of waiting) {
        waiting.delete(start);
        return start();
      }
    }
    this.#freeCount++;
  }
}

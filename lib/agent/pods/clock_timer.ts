// SPDX-License-Identifier: Apache-2.0
/** A timer on a clock that is passed in. */
import type { Clock } from "../../shared/base/mod.ts";

/** Upper bound of one sleep: a timer of the runtime takes no longer delay (2^31 - 1 ms). */
const MAX_SLEEP_MS = 2 ** 31 - 1;

/** Calls a function at a time of the monotonic clock, which may be changed until then. */
export class ClockTimer implements Disposable {
  readonly #clock: Clock;
  readonly #callback: () => void;
  #sleeping: AbortController | undefined;

  /** Creates a timer that is not set. */
  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock;
    this.#callback = callback;
  }

  /**
   * Sets the time of the call, instead of the former one; undefined for none. A time that has
   * passed means at once, but never before `set` returns.
   */
  set(atMs: number | undefined): void {
    this.#sleeping?.abort();
    this.#sleeping = undefined;
    if (atMs === undefined) return;
    const sleeping = new AbortController();
    this.#sleeping = sleeping;
    void this.#callAt(atMs, sleeping.signal);
  }

  /** Clears the timer. */
  [Symbol.dispose](): void {
    this.set(undefined);
  }

  async #callAt(atMs: number, signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const delayMs = Math.max(0, atMs - this.#clock.monotonicMs());
        await this.#clock.sleep(Math.min(delayMs, MAX_SLEEP_MS), { signal });
        if (delayMs <= MAX_SLEEP_MS) break;
      }
    } catch {
      // Only the signal ends a sleep early.
      return;
    }
    if (!signal.aborted) this.#callback();
  }
}

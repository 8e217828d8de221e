// SPDX-License-Identifier: Apache-2.0
/** One timer for many deadlines. */
import type { Clock } from "../base/mod.ts";

/** Options of {@linkcode DeadlineTimer}. */
export interface DeadlineTimerOptions {
  clock: Clock;
  /**
   * Called at the scheduled time, with the delay beyond it in milliseconds. Checks which deadlines
   * have passed and schedules the next one. Must not throw.
   */
  onDue: (lateMs: number) => void;
}

/**
 * Fires at the earliest of many deadlines. Its owner keeps the deadlines and schedules each of them
 * as it comes up; whoever is called too early simply schedules again.
 */
export class DeadlineTimer {
  readonly #options: DeadlineTimerOptions;
  #scheduled: { dueMs: number; sleep: AbortController } | undefined;
  #stopped = false;

  constructor(options: DeadlineTimerOptions) {
    this.#options = options;
  }

  /**
   * Fires at this monotonic time, unless an earlier one is scheduled already. Times in the past
   * fire in the next turn of the event loop; Infinity is ignored.
   */
  schedule(dueMs: number): void {
    if (this.#stopped || dueMs === Infinity) return;
    if (this.#scheduled && this.#scheduled.dueMs <= dueMs) return;
    this.#scheduled?.sleep.abort();
    const { clock, onDue } = this.#options;
    const scheduled = { dueMs, sleep: new AbortController() };
    this.#scheduled = scheduled;
    const delayMs = Math.max(0, dueMs - clock.monotonicMs());
    clock.sleep(delayMs, { signal: scheduled.sleep.signal }).then(
      () => {
        if (this.#scheduled !== scheduled) return;
        this.#scheduled = undefined;
        onDue(Math.max(0, clock.monotonicMs() - dueMs));
      },
      // Rejects only when schedule() or stop() ends the sleep.
      () => {},
    );
  }

  /** Stops for good. */
  stop(): void {
    this.#stopped = true;
    this.#scheduled?.sleep.abort();
    this.#scheduled = undefined;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The machine's clock, which a test may put forward. */
import { type Clock, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";

/** The machine's clock plus an offset. Sleeps take as long as they are asked to. */
export class ShiftedClock implements Clock {
  #offsetMs = 0;

  /** Puts both times forward. */
  advance(ms: number): void {
    this.#offsetMs += ms;
  }

  monotonicMs(): number {
    return SYSTEM_CLOCK.monotonicMs() + this.#offsetMs;
  }

  wallMs(): number {
    return SYSTEM_CLOCK.wallMs() + this.#offsetMs;
  }

  sleep(delayMs: number, options?: { signal?: AbortSignal }): Promise<void> {
    return SYSTEM_CLOCK.sleep(delayMs, options);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Slows down a peer that sends too much. */
import type { Clock } from "./clock.ts";

/** Options of {@linkcode BytePace}. */
export interface BytePaceOptions {
  /** What is allowed at once. */
  burstBytes: number;
  /** What is allowed after a burst. */
  bytesPerSecond: number;
  clock: Pick<Clock, "monotonicMs">;
}

/**
 * Computes how long to wait before more of a peer is read: it may send a burst, and then at a
 * steady rate. Unlike a {@linkcode TokenBucket} it never refuses: what has arrived is counted, and
 * delays what follows.
 *
 * @example
 * ```ts
 * pace.charge(packet.length);
 * if (pace.delayMs > 0) await clock.sleep(pace.delayMs);
 * ```
 */
export class BytePace {
  readonly #options: BytePaceOptions;
  /** What was charged and is not paid off by the time since. */
  #owedBytes = 0;
  #updatedMs: number;

  constructor(options: BytePaceOptions) {
    this.#options = options;
    this.#updatedMs = options.clock.monotonicMs();
  }

  /** Counts bytes of the peer. */
  charge(byteCount: number): void {
    this.#payOff();
    this.#owedBytes += byteCount;
  }

  /** Time to wait before more is read, in milliseconds; 0 if there is none. */
  get delayMs(): number {
    this.#payOff();
    const { burstBytes, bytesPerSecond } = this.#options;
    const excessBytes = Math.max(0, this.#owedBytes - burstBytes);
    return Math.ceil(1000 * excessBytes / bytesPerSecond);
  }

  #payOff(): void {
    const { bytesPerSecond, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const paidBytes = (nowMs - this.#updatedMs) * bytesPerSecond / 1000;
    this.#owedBytes = Math.max(0, this.#owedBytes - paidBytes);
    this.#updatedMs = nowMs;
  }
}

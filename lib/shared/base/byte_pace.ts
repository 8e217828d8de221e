// SPDX-License-Identifier: Apache-2.0
/** Slows down peers that send too much. */
import type { Clock } from "./clock.ts";

/** Options of {@linkcode BytePace}. */
export interface BytePaceOptions {
  /** What a peer may send at once, however much the others do. */
  burstBytes: number;
  /** What it may send after that. */
  bytesPerSecond: number;
  /** What it may send at once beside that, as long as the reserve has it. @default 0 */
  maxReservedBytes?: number;
  /** Shared by all peers. @default none */
  reserve?: PaceReserve;
  /** Upper bound of a delay, however much was charged; the rest is forgiven. */
  maxDelayMs: number;
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
  /** The part of it that the reserve lends: until it is paid off nothing waits for it. */
  #reservedBytes = 0;
  #updatedMs: number;

  constructor(options: BytePaceOptions) {
    this.#options = options;
    this.#updatedMs = options.clock.monotonicMs();
  }

  /** Counts bytes of the peer, or what costs as much. */
  charge(byteCount: number): void {
    this.#payOff();
    this.#owedBytes += byteCount;
    const { reserve, maxReservedBytes = 0 } = this.#options;
    const wantedBytes = Math.min(
      this.#excessBytes,
      maxReservedBytes - this.#reservedBytes,
    );
    if (reserve && wantedBytes > 0) {
      this.#reservedBytes += reserve.take(wantedBytes);
    }
    const { bytesPerSecond, maxDelayMs } = this.#options;
    const maxExcessBytes = maxDelayMs * bytesPerSecond / 1000;
    this.#owedBytes -= Math.max(0, this.#excessBytes - maxExcessBytes);
  }

  /** Time to wait before more is read, in milliseconds; 0 if there is none. */
  get delayMs(): number {
    this.#payOff();
    const { bytesPerSecond } = this.#options;
    return Math.ceil(1000 * this.#excessBytes / bytesPerSecond);
  }

  /** What has to be paid off before more is read. */
  get #excessBytes(): number {
    const allowedBytes = this.#options.burstBytes + this.#reservedBytes;
    return Math.max(0, this.#owedBytes - allowedBytes);
  }

  #payOff(): void {
    const { burstBytes, bytesPerSecond, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const paidBytes = (nowMs - this.#updatedMs) * bytesPerSecond / 1000;
    this.#updatedMs = nowMs;
    this.#owedBytes = Math.max(0, this.#owedBytes - paidBytes);
    this.#reservedBytes = Math.min(
      this.#reservedBytes,
      Math.max(0, this.#owedBytes - burstBytes),
    );
  }
}

/** Options of {@linkcode PaceReserve}. */
export interface PaceReserveOptions {
  /** What all peers together may take at once. */
  burstBytes: number;
  /** What they may take after that. */
  bytesPerSecond: number;
  clock: Pick<Clock, "monotonicMs">;
}

/** What all peers together may send at once beside what each of them may. */
export class PaceReserve {
  readonly #options: PaceReserveOptions;
  #leftBytes: number;
  #updatedMs: number;

  constructor(options: PaceReserveOptions) {
    this.#options = options;
    this.#leftBytes = options.burstBytes;
    this.#updatedMs = options.clock.monotonicMs();
  }

  /** Takes as many bytes as there are, up to this number, and returns how many. */
  take(byteCount: number): number {
    const { burstBytes, bytesPerSecond, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const newBytes = (nowMs - this.#updatedMs) * bytesPerSecond / 1000;
    this.#updatedMs = nowMs;
    this.#leftBytes = Math.min(burstBytes, this.#leftBytes + newBytes);
    const takenBytes = Math.min(byteCount, this.#leftBytes);
    this.#leftBytes -= takenBytes;
    return takenBytes;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Bound on concurrent handshakes. */

/** Options of {@linkcode HandshakeLimit}. */
export interface HandshakeLimitOptions {
  /** Upper bound of concurrent handshakes. @default 512 */
  maxCount?: number;
  /**
   * A slot may be taken away after this time, in milliseconds. A valid handshake needs much less.
   * @default 2000
   */
  protectedMs?: number;
}

interface Slot {
  sinceMs: number;
  evict: () => void;
}

/**
 * Bounds concurrent handshakes, so that clients which start one and never finish it cost little.
 * When all slots are taken, a new handshake evicts the oldest one that has lost its protection, or
 * is refused. One instance is shared by all handshakes of a process.
 */
export class HandshakeLimit {
  readonly #maxCount: number;
  readonly #protectedMs: number;
  // A Set keeps the order of insertion: the first slot is the oldest.
  readonly #slots = new Set<Slot>();

  constructor(
    { maxCount = 512, protectedMs = 2000 }: HandshakeLimitOptions = {},
  ) {
    this.#maxCount = maxCount;
    this.#protectedMs = protectedMs;
  }

  /** Number of slots taken. */
  get count(): number {
    return this.#slots.size;
  }

  /**
   * Takes a slot, or returns undefined when none is free. Dispose the slot to release it; that may
   * be done twice.
   * @param onEvicted called when the slot is taken away for another handshake
   */
  acquire(onEvicted: () => void): Disposable | undefined {
    const nowMs = performance.now();
    if (this.#slots.size >= this.#maxCount) {
      const [oldest] = this.#slots;
      if (!oldest || nowMs - oldest.sinceMs < this.#protectedMs) {
        return undefined;
      }
      this.#slots.delete(oldest);
      oldest.evict();
    }
    const slot = { sinceMs: nowMs, evict: onEvicted };
    this.#slots.add(slot);
    return { [Symbol.dispose]: () => void this.#slots.delete(slot) };
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Bounds what many holders keep in memory together. */

/** Options of {@linkcode MemoryPool}. */
export interface MemoryPoolOptions {
  /** What each holder may keep, however much the others do. */
  guaranteedBytes: number;
  /** What all holders together may keep above that. */
  reserveBytes: number;
}

/**
 * Shares memory out to holders that don't trust each other: each has a guaranteed part, and takes
 * what it needs above that from a reserve of all. Those that use up the reserve take nothing from
 * the guaranteed part of another.
 *
 * @example
 * ```ts
 * using share = pool.join();
 * if (!share.resize(bytes.length)) throw overloaded();
 * ```
 */
export class MemoryPool {
  readonly #options: MemoryPoolOptions;
  #reservedBytes = 0;

  constructor(options: MemoryPoolOptions) {
    this.#options = options;
  }

  /** What is taken from the reserve. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  /** Returns the share of a new holder, which holds nothing yet. */
  join(): MemoryShare {
    const { guaranteedBytes, reserveBytes } = this.#options;
    let reservedBytes = 0;
    let isDisposed = false;
    const resize = (byteCount: number) => {
      if (isDisposed) return byteCount <= 0;
      const wantedBytes = Math.max(0, byteCount - guaranteedBytes);
      const sumBytes = this.#reservedBytes - reservedBytes + wantedBytes;
      if (wantedBytes > reservedBytes && sumBytes > reserveBytes) return false;
      this.#reservedBytes = sumBytes;
      reservedBytes = wantedBytes;
      return true;
    };
    const dispose = () => {
      resize(0);
      isDisposed = true;
    };
    return { resize, [Symbol.dispose]: dispose };
  }
}

/**
 * What one holder has of a {@linkcode MemoryPool}. Disposing it frees all of it; nothing is held
 * afterwards.
 */
export interface MemoryShare extends Disposable {
  /**
   * Sets how much is held. Returns false, without any effect, when it is more than before and there
   * is no room, or when the share was disposed.
   */
  resize(byteCount: number): boolean;
}

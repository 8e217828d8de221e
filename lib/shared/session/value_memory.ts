// SPDX-License-Identifier: Apache-2.0
/** Bounds the memory that one peer's requests occupy. */
import { AranyaError, type MemoryShare } from "../base/mod.ts";
import { MAX_PENDING_VALUES } from "../wire/mod.ts";

/** What is measured of the streams and the link, in bytes. */
export interface HeldValues {
  /** Values whose last piece is missing. */
  readonly incompleteBytes: number;
  /** Responses that the peer has not acknowledged. */
  readonly responseBytes: number;
}

/** Options of {@linkcode ValueMemory}. */
export interface ValueMemoryOptions {
  /** Upper bound of one value of the peer. */
  maxValueBytes: number;
  held: HeldValues;
  /** What the peer has of the memory for all peers. @default no bound */
  share?: MemoryShare | undefined;
}

/**
 * Holds a peer to its two limits (proto/aranya.proto, "Limits"): one for incomplete values, one for
 * the requests that are being handled together with the responses that it has not acknowledged.
 * Both count against its share of what all peers may occupy.
 */
export class ValueMemory {
  readonly #held: HeldValues;
  readonly #maxBytes: number;
  #share: MemoryShare | undefined;
  /** Size of the requests whose handlers are running. */
  #pendingBytes = 0;

  constructor({ maxValueBytes, held, share }: ValueMemoryOptions) {
    this.#maxBytes = MAX_PENDING_VALUES * maxValueBytes;
    this.#held = held;
    this.#share = share;
  }

  /**
   * Checks the limits after a piece of a value was kept.
   * @throws {AranyaError} code "too_large" above the peer's limit; "unavailable" above its share
   */
  checkIncomplete(): void {
    const { incompleteBytes } = this.#held;
    if (incompleteBytes > this.#maxBytes) {
      throw new AranyaError(
        "too_large",
        `Cannot receive value: incomplete values hold ${incompleteBytes} bytes, expected at most ${this.#maxBytes}`,
      );
    }
    if (!this.#resizeShare()) throw usedUpError("Cannot receive value");
  }

  /**
   * Counts a request whose handler is called.
   * @throws {AranyaError} code "unavailable" when earlier ones occupy too much
   */
  reserve(byteCount: number): void {
    this.#admit(byteCount, "Cannot accept request");
    this.#pendingBytes += byteCount;
  }

  /** Counts a request no longer: its handler has returned. */
  release(byteCount: number): void {
    this.#pendingBytes -= byteCount;
    this.update();
  }

  /**
   * Checks whether a response of this length may be queued.
   * @throws {AranyaError} code "unavailable" when earlier ones occupy too much
   */
  checkResponse(byteCount: number): void {
    this.#admit(byteCount, "Cannot send response");
  }

  /** Gives back what is no longer occupied. */
  update(): void {
    this.#resizeShare();
  }

  /** Gives back the whole share; nothing is reserved afterwards. */
  close(): void {
    this.#share?.[Symbol.dispose]();
    this.#share = undefined;
  }

  #admit(byteCount: number, action: string): void {
    const heldBytes = this.#pendingBytes + this.#held.responseBytes;
    if (heldBytes + byteCount > this.#maxBytes) {
      throw new AranyaError(
        "unavailable",
        `${action}: earlier requests hold ${heldBytes} bytes, expected at most ${this.#maxBytes} together`,
      );
    }
    if (!this.#resizeShare(byteCount)) throw usedUpError(action);
  }

  /** Returns false when there is no room for this much more. */
  #resizeShare(moreBytes = 0): boolean {
    if (!this.#share) return true;
    const { incompleteBytes, responseBytes } = this.#held;
    return this.#share.resize(
      incompleteBytes + responseBytes + this.#pendingBytes + moreBytes,
    );
  }
}

function usedUpError(action: string): AranyaError {
  return new AranyaError(
    "unavailable",
    `${action}: the memory for requests of all devices is used up`,
  );
}

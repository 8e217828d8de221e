// SPDX-License-Identifier: Apache-2.0
/** Splits values that are too large for one packet, and reassembles them. */
import { AranyaError, concatBytes } from "../base/mod.ts";
import { EnvelopeKind } from "./_gen.ts";
import { encodeEnvelope, MAX_ENVELOPE_HEADER_BYTES } from "./envelope.ts";

/** Pieces from this length on are kept as they are; shorter ones are copied together. */
const MIN_KEPT_BYTES = 4 * 1024;
/** Length of the arrays into which short pieces are copied. */
const MAX_TAIL_BYTES = 64 * 1024;
const EMPTY = new Uint8Array(0);

/** Options of {@linkcode Reassembler}. */
export interface ReassemblerOptions {
  /** Upper bound of one value, in bytes. */
  maxBytes: number;
  /** `Cannot <verb> <object>`, for the error's text. @default "Cannot reassemble value" */
  action?: string;
}

/**
 * Reassembles one value after the other from its pieces. Large pieces are copied once, when the
 * value is complete. Small ones are copied together at once: kept as they are, they would need many
 * times their length. A value of a single piece is never copied.
 */
export class Reassembler {
  readonly #maxBytes: number;
  readonly #action: string;
  /** The incomplete value, without `#tail`. */
  #pieces: Uint8Array[] = [];
  /** Room for short pieces; the first `#tailBytes` of it are the end of the incomplete value. */
  #tail = EMPTY;
  #tailBytes = 0;
  #heldBytes = 0;

  constructor(
    { maxBytes, action = "Cannot reassemble value" }: ReassemblerOptions,
  ) {
    this.#maxBytes = maxBytes;
    this.#action = action;
  }

  /** Bytes of the incomplete value. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Adds the next piece, and returns the value if this was its last piece.
   * @throws {AranyaError} code "too_large" above the limit; the pieces so far are dropped
   */
  push(
    piece: Uint8Array,
    { complete }: { complete: boolean },
  ): Uint8Array | undefined {
    const bytes = this.#heldBytes + piece.length;
    if (bytes > this.#maxBytes) {
      this.clear();
      throw new AranyaError(
        "too_large",
        `${this.#action}: it is larger than ${this.#maxBytes} bytes`,
      );
    }
    if (complete && this.#heldBytes === 0) return piece;
    if (!complete && piece.length < MIN_KEPT_BYTES) this.#copyToTail(piece);
    else {
      this.#keepTail();
      this.#pieces.push(piece);
    }
    this.#heldBytes = bytes;
    if (!complete) return undefined;
    const value = concatBytes(this.#pieces);
    this.clear();
    return value;
  }

  /** Drops the incomplete value. */
  clear(): void {
    this.#pieces = [];
    this.#tail = EMPTY;
    this.#tailBytes = this.#heldBytes = 0;
  }

  #copyToTail(piece: Uint8Array): void {
    if (this.#tailBytes + piece.length > this.#tail.length) {
      this.#keepTail();
      // As long as the value so far, so that few bytes are reserved in vain.
      const wantedBytes = Math.max(MIN_KEPT_BYTES, this.#heldBytes);
      this.#tail = new Uint8Array(Math.min(MAX_TAIL_BYTES, wantedBytes));
    }
    this.#tail.set(piece, this.#tailBytes);
    this.#tailBytes += piece.length;
  }

  /** Moves what is in the tail to the pieces; a tail that is mostly empty is used again. */
  #keepTail(): void {
    const end = this.#tailBytes;
    this.#tailBytes = 0;
    if (end === 0) return;
    if (2 * end < this.#tail.length) {
      this.#pieces.push(this.#tail.slice(0, end));
    } else {
      this.#pieces.push(this.#tail.subarray(0, end));
      this.#tail = EMPTY;
    }
  }
}

/**
 * Returns the packets that carry an encoded envelope: the envelope itself if it fits, else PARTs.
 * @throws {RangeError} when a packet is too small for the header of a PART
 */
export function toPackets(
  encoded: Uint8Array,
  { maxPacketBytes }: { maxPacketBytes: number },
): Uint8Array[] {
  if (encoded.length <= maxPacketBytes) return [encoded];
  const pieceBytes = maxPacketBytes - MAX_ENVELOPE_HEADER_BYTES;
  if (pieceBytes < 1) {
    throw new RangeError(
      `Cannot split envelope: packets of ${maxPacketBytes} bytes, expected more than ${MAX_ENVELOPE_HEADER_BYTES}`,
    );
  }
  const packets: Uint8Array[] = [];
  for (let start = 0; start < encoded.length; start += pieceBytes) {
    packets.push(encodeEnvelope({
      kind: EnvelopeKind.PART,
      stream: 0,
      sequence: 0,
      complete: start + pieceBytes >= encoded.length,
      payload: encoded.subarray(start, start + pieceBytes),
    }));
  }
  return packets;
}

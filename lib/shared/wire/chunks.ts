// SPDX-License-Identifier: Apache-2.0
/** Splits values that are too large for one packet, and reassembles them. */
import { AranyaError } from "../base/mod.ts";
import { EnvelopeKind } from "./_gen.ts";
import { encodeEnvelope, MAX_ENVELOPE_HEADER_BYTES } from "./envelope.ts";

const MIN_CAPACITY_BYTES = 4 * 1024;
const EMPTY = new Uint8Array(0);

/** Options of {@linkcode Reassembler}. */
export interface ReassemblerOptions {
  /** Upper bound of one value, in bytes. */
  maxBytes: number;
  /** `Cannot <verb> <object>`, for the error's text. @default "Cannot reassemble value" */
  action?: string;
}

/**
 * Reassembles one value after the other from its pieces. They are copied into one growing array:
 * kept as they are, tiny pieces would need many times their length. A value of a single piece is
 * never copied.
 */
export class Reassembler {
  readonly #maxBytes: number;
  readonly #action: string;
  /** The incomplete value, with room behind it. */
  #buffer = EMPTY;
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
      this.#clear();
      throw new AranyaError(
        "too_large",
        `${this.#action}: it is larger than ${this.#maxBytes} bytes`,
      );
    }
    if (complete && this.#heldBytes === 0) return piece;
    this.#reserve(bytes);
    this.#buffer.set(piece, this.#heldBytes);
    this.#heldBytes = bytes;
    if (!complete) return undefined;
    const value = this.#buffer.subarray(0, bytes);
    this.#clear();
    return value;
  }

  /** Makes the buffer at least this long; it doubles, so that few bytes are copied again. */
  #reserve(byteCount: number): void {
    if (byteCount <= this.#buffer.length) return;
    const grown = new Uint8Array(
      Math.min(
        this.#maxBytes,
        Math.max(byteCount, 2 * this.#buffer.length, MIN_CAPACITY_BYTES),
      ),
    );
    grown.set(this.#buffer.subarray(0, this.#heldBytes));
    this.#buffer = grown;
  }

  #clear(): void {
    this.#buffer = EMPTY;
    this.#heldBytes = 0;
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

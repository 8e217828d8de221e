// SPDX-License-Identifier: Apache-2.0
/** Splits values that are too large for one packet, and reassembles them. */
import { AranyaError, concatBytes } from "../base/mod.ts";
import { EnvelopeKind } from "./_gen.ts";
import { encodeEnvelope, MAX_ENVELOPE_HEADER_BYTES } from "./envelope.ts";

/** Default upper bound of a reassembled value: 16 MiB. */
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;

/** Options of {@linkcode Reassembler}. */
export interface ReassemblerOptions {
  /** Upper bound of one value, in bytes. @default 16 MiB */
  maxBytes?: number;
  /** `Cannot <verb> <object>`, for the error's text. @default "Cannot reassemble value" */
  action?: string;
}

/**
 * Reassembles one value after the other from its pieces. Pieces are kept without a copy until the
 * value is complete; a value of a single piece is never copied.
 */
export class Reassembler {
  readonly #maxBytes: number;
  readonly #action: string;
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(
    { maxBytes = MAX_VALUE_BYTES, action = "Cannot reassemble value" }:
      ReassemblerOptions = {},
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
    if (complete && this.#pieces.length === 0) return piece;
    if (piece.length > 0) this.#pieces.push(piece);
    this.#heldBytes = bytes;
    if (!complete) return undefined;
    const value = concatBytes(this.#pieces);
    this.#clear();
    return value;
  }

  #clear(): void {
    this.#pieces = [];
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

// SPDX-License-Identifier: Apache-2.0
/** Values too large for one packet: cut into pieces, joined again, with the limit on the joined size. */
import { AranyaError, concatBytes } from "../base/mod.ts";
import { EnvelopeKind } from "./_gen.ts";
import { encodeEnvelope, MAX_ENVELOPE_HEADER_BYTES } from "./envelope.ts";

/** Largest value joined from pieces unless told otherwise: 16 MiB. */
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;

/** Joins the pieces of one value after the other. */
export interface Joiner {
  /**
   * Takes the next piece; gives the value when it was the last.
   * @throws {AranyaError} code "too_large" when the value would be above the limit; what was held is dropped
   */
  push(piece: Uint8Array, end: { complete: boolean }): Uint8Array | undefined;
  /** What waits for its last piece, in bytes. */
  readonly heldBytes: number;
}

/** Makes a joiner. Pieces are kept as they are, not copied, until the value is complete. */
export function createJoiner(
  { maxBytes = MAX_VALUE_BYTES, action = "Cannot join value" }: {
    maxBytes?: number;
    action?: string;
  } = {},
): Joiner {
  let pieces: Uint8Array[] = [];
  let heldBytes = 0;
  return {
    push(piece, { complete }) {
      heldBytes += piece.length;
      if (heldBytes > maxBytes) {
        pieces = [];
        heldBytes = 0;
        throw new AranyaError(
          "too_large",
          `${action}: it has more than ${maxBytes} bytes`,
        );
      }
      if (complete && pieces.length === 0) {
        heldBytes = 0;
        return piece;
      }
      if (piece.length > 0) pieces.push(piece);
      if (!complete) return undefined;
      const value = concatBytes(pieces);
      pieces = [];
      heldBytes = 0;
      return value;
    },
    get heldBytes() {
      return heldBytes;
    },
  };
}

/** The packets that carry an encoded envelope: itself when it fits, else PARTs of it. */
export function toPackets(
  encoded: Uint8Array,
  { maxPacketBytes }: { maxPacketBytes: number },
): Uint8Array[] {
  if (encoded.length <= maxPacketBytes) return [encoded];
  const step = maxPacketBytes - MAX_ENVELOPE_HEADER_BYTES;
  if (step < 1) {
    throw new RangeError(
      `Cannot cut envelope: "maxPacketBytes" must be above ${MAX_ENVELOPE_HEADER_BYTES}: current value is ${maxPacketBytes}`,
    );
  }
  const packets: Uint8Array[] = [];
  for (let start = 0; start < encoded.length; start += step) {
    packets.push(encodeEnvelope({
      kind: EnvelopeKind.PART,
      stream: 0,
      sequence: 0,
      complete: start + step >= encoded.length,
      payload: encoded.subarray(start, start + step),
    }));
  }
  return packets;
}

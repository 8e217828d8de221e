// SPDX-License-Identifier: Apache-2.0
/**
 * Codec of the header of a frame, the outermost layer of proto/aranya.proto.
 *
 * ```text
 * +--------+-----------------------+------+
 * | type 1 | link id 4, big endian | body |
 * +--------+-----------------------+------+
 * ```
 */
import { AranyaError } from "../base/mod.ts";

/** Types of frames. */
export const FRAME_TYPES = {
  /** Agent to operator; body: HandshakeInit. */
  handshakeInit: 0x01,
  /** Operator to agent; body: HandshakeReply. */
  handshakeReply: 0x02,
  /** Operator to agent; body: HandshakeRefusal. Not authenticated. */
  handshakeRefusal: 0x03,
  /** Both ways; body: counter and ciphertext. */
  sealed: 0x04,
  /** Operator to agent; no body. Not authenticated. */
  knock: 0x05,
} as const;

/** Length of type and link id, in bytes. */
export const FRAME_HEADER_BYTES = 5;

/** Upper bound of a frame that a receiver accepts: 1 MiB. */
export const MAX_FRAME_BYTES = 1024 * 1024;

/** Link id of frames that belong to no link; an agent never chooses it. */
export const NO_LINK_ID = 0;

/** One frame. */
export interface Frame {
  /** One of {@linkcode FRAME_TYPES}, or a number that only later versions know. */
  type: number;
  /** Chosen by the agent for each handshake; an unsigned 32-bit number. */
  linkId: number;
  body: Uint8Array;
}

/** Encodes a frame. */
export function encodeFrame({ type, linkId, body }: Frame): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  writeFrameHeader(bytes, { type, linkId });
  bytes.set(body, FRAME_HEADER_BYTES);
  return bytes;
}

/** Writes type and link id into the first bytes of a frame whose body is there already. */
export function writeFrameHeader(
  frame: Uint8Array,
  { type, linkId }: Pick<Frame, "type" | "linkId">,
): void {
  frame[0] = type;
  new DataView(frame.buffer, frame.byteOffset, FRAME_HEADER_BYTES)
    .setUint32(1, linkId);
}

/**
 * Decodes a frame; its body is a view of `bytes`.
 * @throws {AranyaError} code "invalid" when it is shorter than a header or longer than 1 MiB
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const { length } = bytes;
  if (length < FRAME_HEADER_BYTES || length > MAX_FRAME_BYTES) {
    throw new AranyaError(
      "invalid",
      `Cannot decode frame: it has ${length} bytes, expected ${FRAME_HEADER_BYTES} to ${MAX_FRAME_BYTES}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  return {
    type: view.getUint8(0),
    linkId: view.getUint32(1),
    body: bytes.subarray(FRAME_HEADER_BYTES),
  };
}

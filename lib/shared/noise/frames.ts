// SPDX-License-Identifier: Apache-2.0
/**
 * Frames of a link (header of proto/aranya.proto):
 *
 *     +--------+------------------------------------------+
 *     | type 1 | body                                     |
 *     +--------+------------------------------------------+
 *     type 0x04, sealed packet:
 *     +--------+---------------------+--------------------+
 *     | 0x04   | counter 8, big end. | ciphertext, tag 16 |
 *     +--------+---------------------+--------------------+
 */
import { AranyaError, concatBytes, utf8 } from "../base/mod.ts";
import {
  decodeMessage,
  encodeMessage,
  type HandshakeInit,
  HandshakeInitSchema,
  HandshakeRefusalSchema,
  HandshakeReplySchema,
  type RefusalReason,
} from "../wire/mod.ts";
import { TAG_BYTES } from "./aead.ts";

/** Version of the wire protocol that this program speaks. */
export const DEFAULT_PROTOCOL_VERSION = 1;

/** First byte of a frame. */
export const FRAME_TYPES = {
  init: 0x01,
  reply: 0x02,
  refusal: 0x03,
  sealed: 0x04,
} as const;

/** Type and counter in front of a ciphertext, in bytes. */
export const SEALED_HEADER_BYTES = 9;

/** What sealing adds to a packet, in bytes. */
export const SEALED_OVERHEAD_BYTES = SEALED_HEADER_BYTES + TAG_BYTES;

/** No honest frame of the handshake is longer. */
const MAX_HANDSHAKE_BYTES = 1024;
const MAX_REFUSAL_TEXT_LENGTH = 300;

/** Control characters must not reach a terminal by way of a peer's text. */
// deno-lint-ignore no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g;

/** What both sides must agree on before the handshake begins. */
export function toPrologue(
  { device, protocolVersion }: { device: string; protocolVersion: number },
): Uint8Array {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, protocolVersion);
  return concatBytes([utf8("aranya\0"), version, utf8(device)]);
}

/** What an operator may answer instead of a reply. */
export interface Refusal {
  reason: RefusalReason;
  /** A sentence for the device's owner; goes in clear. */
  message: string;
}

/** Frame 0x01. */
export function encodeInit(
  init: { device: string; protocolVersion: number; noise: Uint8Array },
): Uint8Array {
  return toFrame(
    FRAME_TYPES.init,
    encodeMessage(HandshakeInitSchema, init),
  );
}

/** Frame 0x02. */
export function encodeReply(noise: Uint8Array): Uint8Array {
  return toFrame(
    FRAME_TYPES.reply,
    encodeMessage(HandshakeReplySchema, { noise }),
  );
}

/** Frame 0x03. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  return toFrame(
    FRAME_TYPES.refusal,
    encodeMessage(HandshakeRefusalSchema, {
      reason: refusal.reason,
      message: refusal.message.slice(0, MAX_REFUSAL_TEXT_LENGTH),
    }),
  );
}

/** Reads frame 0x01. @throws {AranyaError} code "invalid" when it is something else */
export function decodeInit(frame: Uint8Array): HandshakeInit {
  if (frame[0] !== FRAME_TYPES.init) {
    throw malformed(`its first byte is ${frame[0] ?? "missing"}`);
  }
  return decode(frame, (body) => decodeMessage(HandshakeInitSchema, body));
}

/** Reads frame 0x02 or 0x03. @throws {AranyaError} code "invalid" when it is something else */
export function decodeAnswer(
  frame: Uint8Array,
): { noise: Uint8Array } | { refusal: Refusal } {
  if (frame[0] === FRAME_TYPES.reply) {
    return decode(frame, (body) => ({
      noise: decodeMessage(HandshakeReplySchema, body).noise,
    }));
  }
  if (frame[0] !== FRAME_TYPES.refusal) {
    throw malformed(`its first byte is ${frame[0] ?? "missing"}`);
  }
  const { reason, message } = decode(
    frame,
    (body) => decodeMessage(HandshakeRefusalSchema, body),
  );
  return {
    refusal: {
      reason,
      message: message.slice(0, MAX_REFUSAL_TEXT_LENGTH)
        .replaceAll(CONTROL_CHARACTERS, " "),
    },
  };
}

function toFrame(type: number, body: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(type), body]);
}

function decode<T>(frame: Uint8Array, read: (body: Uint8Array) => T): T {
  if (frame.length > MAX_HANDSHAKE_BYTES) {
    throw malformed(
      `it has ${frame.length} bytes, expected at most ${MAX_HANDSHAKE_BYTES}`,
    );
  }
  try {
    return read(frame.subarray(1));
  } catch (error) {
    throw malformed("its body is not of the wire protocol", error);
  }
}

function malformed(why: string, cause?: unknown): AranyaError {
  return new AranyaError("invalid", `Cannot read handshake frame: ${why}`, {
    cause,
  });
}

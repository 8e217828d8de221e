// SPDX-License-Identifier: Apache-2.0
/** Codec of the frames on a link, as the head of proto/aranya.proto specifies them. */
import { AranyaError, concatBytes, parseEndpoint, utf8 } from "../base/mod.ts";
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

/**
 * First byte of a frame. The body of the first three is a protobuf message.
 *
 * ```text
 * +--------+------------------------------------------+
 * | type 1 | body                                     |
 * +--------+------------------------------------------+
 * type 0x04, sealed packet:
 * +--------+---------------------+--------------------+
 * | 0x04   | counter 8, big end. | ciphertext, tag 16 |
 * +--------+---------------------+--------------------+
 * ```
 */
export const FRAME_TYPES = {
  init: 0x01,
  reply: 0x02,
  refusal: 0x03,
  sealed: 0x04,
} as const;

/** Length of type and counter in front of a ciphertext, in bytes. */
export const SEALED_HEADER_BYTES = 9;

/** Difference between a sealed frame and its packet, in bytes. */
export const SEALED_OVERHEAD_BYTES = SEALED_HEADER_BYTES + TAG_BYTES;

/** Upper bound of a handshake frame that is accepted; a valid one is much shorter. */
const MAX_HANDSHAKE_BYTES = 1024;
const MAX_REFUSAL_TEXT_LENGTH = 300;

/** Control characters of a peer's text must not reach a terminal. */
const CONTROL_CHARACTERS = /\p{Cc}/gu;

/** Returns the Noise prologue: values that both sides must agree on for a handshake to succeed. */
export function toPrologue(
  { device, protocolVersion }: { device: string; protocolVersion: number },
): Uint8Array {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, protocolVersion);
  return concatBytes([utf8("aranya\0"), version, utf8(device)]);
}

/** A responder's answer that ends the handshake. It travels unencrypted and unauthenticated. */
export interface Refusal {
  reason: RefusalReason;
  /** A sentence for the device's owner. */
  message: string;
  /** "host:port" of the operator to go to instead. */
  endpoint?: string;
}

/** Encodes frame 0x01. */
export function encodeInit(
  init: { device: string; protocolVersion: number; noise: Uint8Array },
): Uint8Array {
  return toFrame(FRAME_TYPES.init, encodeMessage(HandshakeInitSchema, init));
}

/** Encodes frame 0x02. */
export function encodeReply(noise: Uint8Array): Uint8Array {
  return toFrame(
    FRAME_TYPES.reply,
    encodeMessage(HandshakeReplySchema, { noise }),
  );
}

/** Encodes frame 0x03. A message of more than 300 characters is cut. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  return toFrame(
    FRAME_TYPES.refusal,
    encodeMessage(HandshakeRefusalSchema, {
      reason: refusal.reason,
      message: refusal.message.slice(0, MAX_REFUSAL_TEXT_LENGTH),
      endpoint: refusal.endpoint ?? "",
    }),
  );
}

/** Decodes frame 0x01. @throws {AranyaError} code "invalid" for anything else */
export function decodeInit(frame: Uint8Array): HandshakeInit {
  if (frame[0] !== FRAME_TYPES.init) throw unexpectedType(frame);
  return decodeBody(frame, (body) => decodeMessage(HandshakeInitSchema, body));
}

/**
 * Decodes frame 0x02 or 0x03. Control characters in the text of a refusal are replaced by spaces,
 * and an endpoint that is none is left out.
 * @throws {AranyaError} code "invalid" for anything else
 */
export function decodeAnswer(
  frame: Uint8Array,
): { noise: Uint8Array } | { refusal: Refusal } {
  if (frame[0] === FRAME_TYPES.reply) {
    const { noise } = decodeBody(
      frame,
      (body) => decodeMessage(HandshakeReplySchema, body),
    );
    return { noise };
  }
  if (frame[0] !== FRAME_TYPES.refusal) throw unexpectedType(frame);
  const { reason, message, endpoint } = decodeBody(
    frame,
    (body) => decodeMessage(HandshakeRefusalSchema, body),
  );
  return {
    refusal: {
      reason,
      message: message.slice(0, MAX_REFUSAL_TEXT_LENGTH)
        .replaceAll(CONTROL_CHARACTERS, " "),
      ...(isEndpoint(endpoint) ? { endpoint } : {}),
    },
  };
}

function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text);
    return true;
  } catch {
    return false;
  }
}

function toFrame(type: number, body: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(type), body]);
}

function decodeBody<T>(frame: Uint8Array, decode: (body: Uint8Array) => T): T {
  if (frame.length > MAX_HANDSHAKE_BYTES) {
    throw invalidFrame(
      `it has ${frame.length} bytes, expected at most ${MAX_HANDSHAKE_BYTES}`,
    );
  }
  try {
    return decode(frame.subarray(1));
  } catch (error) {
    throw invalidFrame("its body is not a message of the protocol", error);
  }
}

function unexpectedType(frame: Uint8Array): AranyaError {
  return invalidFrame(`unexpected type ${frame[0] ?? "(empty frame)"}`);
}

function invalidFrame(problem: string, cause?: unknown): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot decode handshake frame: ${problem}`,
    { cause },
  );
}

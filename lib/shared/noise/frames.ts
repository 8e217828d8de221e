// SPDX-License-Identifier: Apache-2.0
/** Codec of the frames of a handshake, as the head of proto/aranya.proto specifies them. */
import {
  AranyaError,
  concatBytes,
  defined,
  isEndpoint,
  toSafeText,
  utf8,
} from "../base/mod.ts";
import {
  decodeFrame,
  decodeMessage,
  encodeFrame,
  encodeMessage,
  type Frame,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  type HandshakeInit,
  HandshakeInitSchema,
  HandshakeRefusalSchema,
  HandshakeReplySchema,
  NO_LINK_ID,
  type RefusalReason,
} from "../wire/mod.ts";
import { TAG_BYTES } from "./aead.ts";

/**
 * Length of everything in front of a ciphertext, in bytes.
 *
 * ```text
 * +------+-----------+---------------------+--------------------+
 * | 0x04 | link id 4 | counter 8, big end. | ciphertext, tag 16 |
 * +------+-----------+---------------------+--------------------+
 * ```
 */
export const SEALED_HEADER_BYTES = FRAME_HEADER_BYTES + 8;

/** Difference between a sealed frame and its packet, in bytes. */
export const SEALED_OVERHEAD_BYTES = SEALED_HEADER_BYTES + TAG_BYTES;

/** Upper bound of a handshake frame that is accepted; a valid one is much shorter. */
const MAX_HANDSHAKE_BYTES = FRAME_HEADER_BYTES + 1024;
const MAX_REFUSAL_TEXT_LENGTH = 300;

/** What both sides must agree on for a handshake to succeed. */
export interface HandshakeContext {
  framingVersion: number;
  linkId: number;
  /** Name of the device. */
  device: string;
}

/** Returns the Noise prologue of a handshake. */
export function toPrologue(
  { framingVersion, linkId, device }: HandshakeContext,
): Uint8Array {
  const numbers = new Uint8Array(8);
  const view = new DataView(numbers.buffer);
  view.setUint32(0, framingVersion);
  view.setUint32(4, linkId);
  return concatBytes([utf8("aranya\0"), numbers, utf8(device)]);
}

/** Returns a random link id, never {@linkcode NO_LINK_ID}. */
export function createLinkId(): number {
  const [id = NO_LINK_ID] = crypto.getRandomValues(new Uint32Array(1));
  return id === NO_LINK_ID ? createLinkId() : id;
}

/** A responder's answer that ends the handshake. It travels unencrypted and unauthenticated. */
export interface Refusal {
  reason: RefusalReason;
  /** A sentence for the device's owner. */
  message: string;
  /** "host:port" of the operator to go to instead. */
  endpoint?: string;
}

/** Encodes a HandshakeInit frame. */
export function encodeInit(
  init: HandshakeContext & { noise: Uint8Array },
): Uint8Array {
  const { linkId, ...fields } = init;
  return encodeFrame({
    type: FRAME_TYPES.handshakeInit,
    linkId,
    body: encodeMessage(HandshakeInitSchema, fields),
  });
}

/** Encodes a HandshakeReply frame. */
export function encodeReply(
  { linkId, noise }: { linkId: number; noise: Uint8Array },
): Uint8Array {
  return encodeFrame({
    type: FRAME_TYPES.handshakeReply,
    linkId,
    body: encodeMessage(HandshakeReplySchema, { noise }),
  });
}

/** Encodes a HandshakeRefusal frame. A message of more than 300 characters is cut. */
export function encodeRefusal(
  { linkId, reason, message, endpoint = "" }: Refusal & { linkId: number },
): Uint8Array {
  return encodeFrame({
    type: FRAME_TYPES.handshakeRefusal,
    linkId,
    body: encodeMessage(HandshakeRefusalSchema, {
      reason,
      message: message.slice(0, MAX_REFUSAL_TEXT_LENGTH),
      endpoint,
    }),
  });
}

/**
 * Decodes a HandshakeInit frame.
 * @throws {AranyaError} code "invalid" for anything else
 */
export function decodeInit(
  bytes: Uint8Array,
): HandshakeInit & { linkId: number } {
  const frame = decodeHandshakeFrame(bytes);
  const { type, linkId } = frame;
  if (type !== FRAME_TYPES.handshakeInit) throw unexpectedType(frame);
  if (linkId === NO_LINK_ID) throw invalidFrame("its link id is 0");
  const init = decodeBody(
    frame,
    (body) => decodeMessage(HandshakeInitSchema, body),
  );
  return { ...init, linkId };
}

/** What an initiator may receive while it waits for a reply. */
export type HandshakeAnswer =
  | { kind: "reply"; noise: Uint8Array }
  | { kind: "refusal"; refusal: Refusal }
  | { kind: "knock" };

/**
 * Decodes a frame that answers the handshake of this link, or a Knock. Control characters in the
 * text of a refusal are replaced by spaces, and an endpoint that is none is left out.
 * @throws {AranyaError} code "invalid" for anything else
 */
export function decodeAnswer(
  bytes: Uint8Array,
  linkId: number,
): HandshakeAnswer {
  const frame = decodeHandshakeFrame(bytes);
  if (frame.type === FRAME_TYPES.knock) return { kind: "knock" };
  const isUnread = frame.type === FRAME_TYPES.handshakeRefusal &&
    frame.linkId === NO_LINK_ID;
  if (frame.linkId !== linkId && !isUnread) {
    throw invalidFrame("it is of another link");
  }
  switch (frame.type) {
    case FRAME_TYPES.handshakeReply: {
      const { noise } = decodeBody(
        frame,
        (body) => decodeMessage(HandshakeReplySchema, body),
      );
      return { kind: "reply", noise };
    }
    case FRAME_TYPES.handshakeRefusal: {
      const { reason, message, endpoint } = decodeBody(
        frame,
        (body) => decodeMessage(HandshakeRefusalSchema, body),
      );
      const text = toSafeText(message, { maxLength: MAX_REFUSAL_TEXT_LENGTH });
      return {
        kind: "refusal",
        refusal: {
          reason,
          message: text,
          ...defined({ endpoint: isEndpoint(endpoint) ? endpoint : undefined }),
        },
      };
    }
    default:
      throw unexpectedType(frame);
  }
}

function decodeHandshakeFrame(bytes: Uint8Array): Frame {
  if (bytes.length > MAX_HANDSHAKE_BYTES) {
    throw invalidFrame(
      `it has ${bytes.length} bytes, expected at most ${MAX_HANDSHAKE_BYTES}`,
    );
  }
  return decodeFrame(bytes);
}

function decodeBody<T>(frame: Frame, decode: (body: Uint8Array) => T): T {
  try {
    return decode(frame.body);
  } catch (error) {
    throw invalidFrame("its body is not a message of the protocol", error);
  }
}

function unexpectedType({ type }: Frame): AranyaError {
  return invalidFrame(`unexpected type ${type}`);
}

function invalidFrame(problem: string, cause?: unknown): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot decode handshake frame: ${problem}`,
    { cause },
  );
}

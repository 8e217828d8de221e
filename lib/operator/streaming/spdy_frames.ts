// SPDX-License-Identifier: Apache-2.0
/**
 * Frames of SPDY/3.1, and their encoding (SPDY/3.1 draft, section 2.2:
 * https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/).
 *
 * ```
 * control frame                          data frame
 * |1| version (15)    | type (16) |      |0| stream id (31)        |
 * | flags (8) | length (24)       |      | flags (8) | length (24) |
 * | data                          |      | data                    |
 * ```
 */
import { concatBytes } from "../../shared/base/mod.ts";
import type { SpdyHeaders } from "./spdy_headers.ts";

/** First bit of a frame: 1 in control frames, 0 in data frames. */
export const CONTROL_BIT = 0x8000_0000;
/** Version: the lower 15 bits of the first 16. */
export const VERSION_MASK = 0x7fff;
/** 31 bits: stream ids, and deltas of windows. */
export const STREAM_ID_MASK = 0x7fff_ffff;
/** Length: the lower 24 bits of the second word. */
export const LENGTH_MASK = 0x00ff_ffff;
/** Position of the flags in the second word, in bits. */
export const FLAGS_SHIFT = 24;
/** Id of a setting: 24 bits below its flags. */
export const SETTING_ID_MASK = 0x00ff_ffff;
/** Length of the two words that every frame begins with. */
export const FRAME_HEADER_BYTES = 8;
/** Version field of SPDY/3 and SPDY/3.1. */
export const SPDY_VERSION = 3;
/** Flag of SYN_STREAM, SYN_REPLY, HEADERS and data: the last frame that the sender sends. */
export const FLAG_FIN = 0x01;
/** Flag of SYN_STREAM: the receiver sends nothing on this stream. */
export const FLAG_UNIDIRECTIONAL = 0x02;
/** Position of the 3 bits of the priority in their byte. */
export const PRIORITY_SHIFT = 5;

/** Types of control frames. */
export const CONTROL_TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Status codes of RST_STREAM (section 2.6.3). */
export const RST_STATUS = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  unsupportedVersion: 4,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
  streamInUse: 8,
  streamAlreadyClosed: 9,
  frameTooLarge: 11,
} as const;

/** Status codes of GOAWAY (section 2.6.6). */
export const GOAWAY_STATUS = { ok: 0, protocolError: 1, internalError: 2 };

/**
 * One frame. A data frame may be split into several values as its bytes arrive; `fin` is set in the
 * last one only.
 */
export type SpdyFrame =
  | {
    type: "syn_stream";
    streamId: number;
    associatedId: number;
    priority: number;
    fin: boolean;
    unidirectional: boolean;
    headers: SpdyHeaders;
  }
  | {
    type: "syn_reply" | "headers";
    streamId: number;
    fin: boolean;
    headers: SpdyHeaders;
  }
  | { type: "rst_stream"; streamId: number; status: number }
  | { type: "settings"; entries: SpdySetting[] }
  | { type: "ping"; id: number }
  | { type: "goaway"; lastStreamId: number; status: number }
  | { type: "window_update"; streamId: number; delta: number }
  | { type: "data"; streamId: number; fin: boolean; bytes: Uint8Array };

/** One entry of SETTINGS. */
export interface SpdySetting {
  flags: number;
  id: number;
  value: number;
}

/**
 * A frame whose header block is compressed already. Blocks must be compressed in the order in which
 * their frames are sent.
 */
export type EncodableFrame =
  | (Omit<Extract<SpdyFrame, { type: "syn_stream" }>, "headers"> & HeaderBlock)
  | (
    & Omit<Extract<SpdyFrame, { type: "syn_reply" | "headers" }>, "headers">
    & HeaderBlock
  )
  | Exclude<SpdyFrame, { headers: SpdyHeaders }>;

interface HeaderBlock {
  block: Uint8Array;
}

/**
 * Returns the bytes of a frame.
 * @throws {RangeError} when the data is longer than the 24 bits of the length can hold
 */
export function encodeFrame(frame: EncodableFrame): Uint8Array {
  switch (frame.type) {
    case "data":
      return encodeData(frame);
    case "syn_stream":
      return encodeControl("synStream", {
        flags: (frame.fin ? FLAG_FIN : 0) |
          (frame.unidirectional ? FLAG_UNIDIRECTIONAL : 0),
        words: [
          frame.streamId,
          frame.associatedId,
        ],
        rest: [frame.priority << PRIORITY_SHIFT, 0, ...frame.block],
      });
    case "syn_reply":
    case "headers":
      return encodeControl(frame.type === "headers" ? "headers" : "synReply", {
        flags: frame.fin ? FLAG_FIN : 0,
        words: [frame.streamId],
        rest: frame.block,
      });
    case "rst_stream":
      return encodeControl("rstStream", {
        words: [frame.streamId, frame.status],
      });
    case "settings":
      return encodeControl("settings", {
        words: [
          frame.entries.length,
          ...frame.entries.flatMap(({ flags, id, value }) => [
            ((flags << FLAGS_SHIFT) | (id & SETTING_ID_MASK)) >>> 0,
            value,
          ]),
        ],
      });
    case "ping":
      return encodeControl("ping", { words: [frame.id] });
    case "goaway":
      return encodeControl("goAway", {
        words: [frame.lastStreamId, frame.status],
      });
    case "window_update":
      return encodeControl("windowUpdate", {
        words: [frame.streamId, frame.delta],
      });
  }
}

type DataFrame = Extract<SpdyFrame, { type: "data" }>;

function encodeData(frame: DataFrame): Uint8Array {
  return concatBytes([encodeDataHeader(frame), frame.bytes]);
}

/**
 * Returns the header of a data frame, without the data.
 * @throws {RangeError} when the data is longer than the 24 bits of the length can hold
 */
export function encodeDataHeader(
  { streamId, fin, bytes }: Omit<DataFrame, "type">,
): Uint8Array {
  if (bytes.length > LENGTH_MASK) {
    throw new RangeError(
      `Cannot encode SPDY frame: data must be at most ${LENGTH_MASK} bytes: current value is ${bytes.length}`,
    );
  }
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, streamId & STREAM_ID_MASK);
  view.setUint32(4, bytes.length);
  view.setUint8(4, fin ? FLAG_FIN : 0);
  return header;
}

function encodeControl(
  name: keyof typeof CONTROL_TYPE,
  { flags = 0, words, rest = [] }: {
    flags?: number;
    words: number[];
    rest?: ArrayLike<number>;
  },
): Uint8Array {
  const length = words.length * 4 + rest.length;
  const frame = new Uint8Array(FRAME_HEADER_BYTES + length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, (CONTROL_BIT | (SPDY_VERSION << 16)) >>> 0);
  view.setUint16(2, CONTROL_TYPE[name]);
  view.setUint32(4, length);
  view.setUint8(4, flags);
  words.forEach((word, index) =>
    view.setUint32(FRAME_HEADER_BYTES + index * 4, word)
  );
  frame.set(rest, FRAME_HEADER_BYTES + words.length * 4);
  return frame;
}

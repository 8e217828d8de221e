// SPDX-License-Identifier: Apache-2.0
/** Frames of HTTP/2 (RFC 9113) and messages of gRPC, valid or not. */
import { CONNECT_PATH } from "../../../lib/shared/link/grpc_service.ts";
import { concatBytes, utf8 } from "../../../lib/shared/base/mod.ts";

/** Types of frames. */
export const H2 = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags of HEADERS and DATA. */
export const END_STREAM = 1;
/** Flag of HEADERS and CONTINUATION. */
export const END_HEADERS = 4;

/** What a client sends first: the preface and an empty SETTINGS. */
export function preface(): Uint8Array {
  return concatBytes([
    utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(H2.settings, { payload: new Uint8Array(0) }),
  ]);
}

/** Returns one frame. */
export function frame(
  type: number,
  { stream = 0, flags = 0, payload }: {
    stream?: number;
    flags?: number;
    payload: Uint8Array;
  },
): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length << 8);
  bytes[3] = type;
  bytes[4] = flags;
  view.setUint32(5, stream);
  bytes.set(payload, 9);
  return bytes;
}

/** Returns a header field that is not added to the dynamic table (RFC 7541, section 6.2.2). */
export function literal(name: string, value: string): Uint8Array {
  return concatBytes([Uint8Array.of(0), text(name), text(value)]);
}

/** Returns a header field that is added to the dynamic table (RFC 7541, section 6.2.1). */
export function indexedLiteral(name: string, value: string): Uint8Array {
  return concatBytes([Uint8Array.of(0x40), text(name), text(value)]);
}

/** Returns the header fields of a call of the link's method. */
export function callHeaders(more: Uint8Array[] = []): Uint8Array {
  return concatBytes([
    // :method POST, :scheme https
    Uint8Array.of(0x83, 0x87),
    literal(":path", CONNECT_PATH),
    literal(":authority", "operator"),
    literal("content-type", "application/grpc"),
    literal("te", "trailers"),
    ...more,
  ]);
}

/** Returns the frame that begins a call. */
export function beginCall(stream: number, more: Uint8Array[] = []): Uint8Array {
  return frame(H2.headers, {
    stream,
    flags: END_HEADERS,
    payload: callHeaders(more),
  });
}

/** Returns a DATA frame with one gRPC message. */
export function message(
  stream: number,
  { body, isCompressed = false, length = body.length }: {
    body: Uint8Array;
    isCompressed?: boolean;
    /** Announced length. @default the true one */
    length?: number;
  },
): Uint8Array {
  const prefix = new Uint8Array(5);
  prefix[0] = isCompressed ? 1 : 0;
  new DataView(prefix.buffer).setUint32(1, length);
  return frame(H2.data, { stream, payload: concatBytes([prefix, body]) });
}

/** Returns the frame repeated until it fills about 64 KiB. */
export function repeated(bytes: Uint8Array): Uint8Array {
  const count = Math.max(1, Math.floor(65_536 / bytes.length));
  return concatBytes(Array.from({ length: count }, () => bytes));
}

/** A string with its length as a 7-bit prefix integer, not Huffman-coded. */
function text(value: string): Uint8Array {
  const bytes = utf8(value);
  return concatBytes([prefixInteger(bytes.length), bytes]);
}

function prefixInteger(value: number): Uint8Array {
  if (value < 127) return Uint8Array.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) {
    bytes.push(rest % 128 + 128);
  }
  return Uint8Array.from([...bytes, rest]);
}

// SPDX-License-Identifier: Apache-2.0
/**
 * Header blocks of SPDY/3 (draft, section 2.6.10): names and values, compressed by one zlib stream per direction of a connection.
 *
 * ```
 * | number of pairs (32) |
 * | length of name (32)  | name (lower case) |
 * | length of value (32) | value (several are parted by NUL) |  … and so on
 * ```
 */
import { constants, inflateSync } from "node:zlib";
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  utf8,
} from "../../shared/base/mod.ts";
import { adler32, DICTIONARY_ID, spdyDictionary } from "./spdy_dictionary.ts";

/** Names in lower case and their values. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** How much of what was sent before a block may refer to (RFC 1951, section 2). */
const WINDOW_BYTES = 32_768;
/** CMF 0x78, FLG with FDICT and its check bits (RFC 1950, section 2.2). */
const ZLIB_HEADER_WITH_DICTIONARY = [0x78, 0x20] as const;
const ZLIB_FDICT_MASK = 0x20;
const ZLIB_HEADER_BYTES = 2;
const DICTIONARY_ID_BYTES = 4;
/** A stored block says its length in 16 bits (RFC 1951, section 3.2.4). */
const MAX_STORED_BYTES = 0xffff;

/** Limits of {@linkcode createHeaderReader}. */
export interface HeaderReaderOptions {
  /** No block may be longer than this when inflated, in bytes. @default 16384 */
  maxInflatedBytes?: number;
  /** No block may hold more pairs. @default 64 */
  maxPairs?: number;
}

/** Inflates the header blocks of one direction, in the order of their frames. */
export interface HeaderReader {
  /** @throws {AranyaError} "invalid" or "too_large"; the connection can't go on after it */
  read(block: Uint8Array): SpdyHeaders;
}

/**
 * Makes a reader. Every block ends with a flush at a byte's border, so each is inflated alone with what came before it as its dictionary:
 * the public, synchronous zlib call serves, and no native stream is held for a connection's life.
 */
export function createHeaderReader(
  options: HeaderReaderOptions = {},
): HeaderReader {
  const { maxInflatedBytes = 16_384, maxPairs = 64 } = options;
  let window = spdyDictionary();
  let first = true;
  return {
    read(block) {
      const body = first ? withoutZlibHeader(block) : block;
      first = false;
      const text = inflate(body, window, maxInflatedBytes);
      window = concatBytes([window, text]).slice(-WINDOW_BYTES);
      return parsePairs(text, maxPairs);
    },
  };
}

/** Deflates the header blocks of one direction, in the order of their frames. */
export interface HeaderWriter {
  write(headers: SpdyHeaders): Uint8Array;
}

/** Makes a writer. It stores instead of compressing, which every inflater reads: our own blocks are empty or tiny. */
export function createHeaderWriter(): HeaderWriter {
  let first = true;
  return {
    write(headers) {
      const parts = toStored(encodePairs(headers));
      if (first) {
        parts.unshift(
          Uint8Array.from(ZLIB_HEADER_WITH_DICTIONARY),
          toUint32(DICTIONARY_ID),
        );
      }
      first = false;
      return concatBytes(parts);
    },
  };
}

function inflate(
  body: Uint8Array,
  window: Uint8Array,
  maxOutputLength: number,
): Uint8Array {
  const stream = concatBytes([
    Uint8Array.from(ZLIB_HEADER_WITH_DICTIONARY),
    toUint32(adler32(window)),
    body,
  ]);
  try {
    return inflateSync(stream, {
      dictionary: window,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength,
    });
  } catch (cause) {
    const tooLarge = cause instanceof Error && "code" in cause &&
      cause.code === "ERR_BUFFER_TOO_LARGE";
    if (tooLarge) {
      throw new AranyaError(
        "too_large",
        `Cannot read SPDY headers: the block is longer than ${maxOutputLength} bytes`,
      );
    }
    throw broken("its compression is broken", cause);
  }
}

/** The stream's own zlib header names the dictionary, when it uses one. */
function withoutZlibHeader(block: Uint8Array): Uint8Array {
  const [method = 0, flags = 0] = block;
  if (block.length < ZLIB_HEADER_BYTES || (method * 256 + flags) % 31 !== 0) {
    throw broken("it does not begin as a zlib stream");
  }
  if ((flags & ZLIB_FDICT_MASK) === 0) return block.subarray(ZLIB_HEADER_BYTES);
  const end = ZLIB_HEADER_BYTES + DICTIONARY_ID_BYTES;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (
    block.length < end || view.getUint32(ZLIB_HEADER_BYTES) !== DICTIONARY_ID
  ) {
    throw broken("it was compressed with another dictionary");
  }
  return block.subarray(end);
}

function parsePairs(text: Uint8Array, maxPairs: number): SpdyHeaders {
  const view = new DataView(text.buffer, text.byteOffset, text.length);
  let offset = 0;
  const number = () => {
    if (offset + 4 > text.length) throw broken("it ends too early");
    offset += 4;
    return view.getUint32(offset - 4);
  };
  const word = () => {
    const length = number();
    if (offset + length > text.length) throw broken("it ends too early");
    offset += length;
    return fromUtf8(text.subarray(offset - length, offset));
  };
  const count = number();
  if (count > maxPairs) throw broken(`it has more than ${maxPairs} pairs`);
  const headers: Record<string, string> = Object.create(null);
  for (let index = 0; index < count; index++) {
    const name = word();
    if (name === "" || name !== name.toLowerCase()) {
      throw broken("a name is empty or not in lower case");
    }
    if (name in headers) throw broken("a name comes twice");
    headers[name] = word();
  }
  if (offset !== text.length) throw broken("it has bytes after its last pair");
  return headers;
}

function encodePairs(headers: SpdyHeaders): Uint8Array {
  const pairs = Object.entries(headers);
  return concatBytes([
    toUint32(pairs.length),
    ...pairs.flat().flatMap((word) => {
      const bytes = utf8(word);
      return [toUint32(bytes.length), bytes];
    }),
  ]);
}

/**
 * Stored blocks: one byte of type 0, length, its complement (both little-endian), bytes. Begins and ends at a byte's border. The last one
 * is empty, as zlib's Z_SYNC_FLUSH makes it: Go's inflater gives out what it has when it sees that.
 */
function toStored(text: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += MAX_STORED_BYTES) {
    const piece = text.subarray(at, at + MAX_STORED_BYTES);
    const { length } = piece;
    const head = [0, length & 0xff, length >> 8, ~length & 0xff];
    head.push((~length >> 8) & 0xff);
    parts.push(Uint8Array.from(head), piece);
  }
  parts.push(Uint8Array.of(0, 0, 0, 0xff, 0xff));
  return parts;
}

function toUint32(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return new Uint8Array(view.buffer);
}

function broken(why: string, cause?: unknown): AranyaError {
  return new AranyaError("invalid", `Cannot read SPDY headers: ${why}`, {
    cause,
  });
}

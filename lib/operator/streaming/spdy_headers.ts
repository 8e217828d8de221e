// SPDX-License-Identifier: Apache-2.0
/**
 * Header blocks of SPDY/3 (SPDY/3 draft, section 2.6.10): names and values, compressed by one zlib
 * stream per direction of a connection.
 *
 * ```
 * | number of pairs (32) |
 * | length of name (32)  | name (lower case) |
 * | length of value (32) | value (several are separated by NUL) |  … and so on
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

/** Values by name; names are in lower case. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** How far back a compressed block may refer to (RFC 1951, section 2). */
const WINDOW_BYTES = 32_768;
/** CMF 0x78, FLG with FDICT and its check bits (RFC 1950, section 2.2). */
const ZLIB_HEADER_WITH_DICTIONARY = [0x78, 0x20] as const;
const ZLIB_FDICT_MASK = 0x20;
const ZLIB_HEADER_BYTES = 2;
const DICTIONARY_ID_BYTES = 4;
/** The length of a stored block has 16 bits (RFC 1951, section 3.2.4). */
const MAX_STORED_BYTES = 0xffff;

/** Limits of {@linkcode SpdyHeaderReader}. */
export interface SpdyHeaderReaderOptions {
  /** Upper bound of an inflated block, in bytes. @default 16384 */
  maxInflatedBytes?: number;
  /** Upper bound of the number of pairs in a block. @default 64 */
  maxPairs?: number;
}

/**
 * Inflates the header blocks of one direction of a connection.
 *
 * Every block ends with a flush at a byte boundary. So each can be inflated by itself, with
 * everything before it as dictionary: one synchronous call, and no native zlib stream that would
 * have to be held as long as the connection.
 */
export class SpdyHeaderReader {
  readonly #maxInflatedBytes: number;
  readonly #maxPairs: number;
  #window = spdyDictionary();
  #isFirst = true;

  constructor(options: SpdyHeaderReaderOptions = {}) {
    this.#maxInflatedBytes = options.maxInflatedBytes ?? 16_384;
    this.#maxPairs = options.maxPairs ?? 64;
  }

  /**
   * Returns the headers in a block. Blocks must be read in the order of their frames.
   * @throws {AranyaError} code "invalid" or "too_large"; no later block can be read then
   */
  read(block: Uint8Array): SpdyHeaders {
    const body = this.#isFirst ? withoutZlibHeader(block) : block;
    this.#isFirst = false;
    const text = inflate(body, {
      window: this.#window,
      maxOutputLength: this.#maxInflatedBytes,
    });
    this.#window = concatBytes([this.#window, text]).slice(-WINDOW_BYTES);
    return parsePairs(text, this.#maxPairs);
  }
}

/**
 * Writes the header blocks of one direction of a connection. Blocks are stored, not compressed,
 * which every zlib can read: those of a server are empty or tiny.
 */
export class SpdyHeaderWriter {
  #isFirst = true;

  /** Returns the block of these headers. Its frames must be sent in the order of the calls. */
  write(headers: SpdyHeaders): Uint8Array {
    const parts = toStoredBlocks(encodePairs(headers));
    if (this.#isFirst) {
      parts.unshift(
        Uint8Array.from(ZLIB_HEADER_WITH_DICTIONARY),
        toUint32(DICTIONARY_ID),
      );
    }
    this.#isFirst = false;
    return concatBytes(parts);
  }
}

function inflate(
  body: Uint8Array,
  { window, maxOutputLength }: { window: Uint8Array; maxOutputLength: number },
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
    const isTooLarge = cause instanceof Error && "code" in cause &&
      cause.code === "ERR_BUFFER_TOO_LARGE";
    if (isTooLarge) {
      throw new AranyaError(
        "too_large",
        `Cannot read SPDY headers: the block is longer than ${maxOutputLength} bytes`,
      );
    }
    throw invalidHeaders("the compressed data is invalid", cause);
  }
}

/** Removes the header of the zlib stream, which names the dictionary when one is used. */
function withoutZlibHeader(block: Uint8Array): Uint8Array {
  const [method = 0, flags = 0] = block;
  if (block.length < ZLIB_HEADER_BYTES || (method * 256 + flags) % 31 !== 0) {
    throw invalidHeaders("not a zlib stream");
  }
  if ((flags & ZLIB_FDICT_MASK) === 0) return block.subarray(ZLIB_HEADER_BYTES);
  const end = ZLIB_HEADER_BYTES + DICTIONARY_ID_BYTES;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (
    block.length < end || view.getUint32(ZLIB_HEADER_BYTES) !== DICTIONARY_ID
  ) {
    throw invalidHeaders("compressed with another dictionary");
  }
  return block.subarray(end);
}

function parsePairs(text: Uint8Array, maxPairs: number): SpdyHeaders {
  const view = new DataView(text.buffer, text.byteOffset, text.length);
  let offset = 0;
  const readNumber = () => {
    if (offset + 4 > text.length) {
      throw invalidHeaders("the block is too short");
    }
    offset += 4;
    return view.getUint32(offset - 4);
  };
  const readText = () => {
    const length = readNumber();
    if (offset + length > text.length) {
      throw invalidHeaders("the block is too short");
    }
    offset += length;
    return fromUtf8(text.subarray(offset - length, offset));
  };
  const count = readNumber();
  if (count > maxPairs) throw invalidHeaders(`more than ${maxPairs} pairs`);
  // Without a prototype, so that "constructor" is a name like any other.
  const headers: Record<string, string> = Object.create(null);
  for (let index = 0; index < count; index++) {
    const name = readText();
    if (name === "" || name !== name.toLowerCase()) {
      throw invalidHeaders("a name is empty or not in lower case");
    }
    if (name in headers) throw invalidHeaders("duplicate name");
    headers[name] = readText();
  }
  if (offset !== text.length) {
    throw invalidHeaders("there are bytes after the last pair");
  }
  return headers;
}

function encodePairs(headers: SpdyHeaders): Uint8Array {
  const pairs = Object.entries(headers);
  return concatBytes([
    toUint32(pairs.length),
    ...pairs.flat().flatMap((text) => {
      const bytes = utf8(text);
      return [toUint32(bytes.length), bytes];
    }),
  ]);
}

/**
 * Returns stored blocks, which begin and end at a byte boundary: a byte 0 for the type, the length
 * and its complement (both little-endian), the bytes. The last block is empty, like that of zlib's
 * Z_SYNC_FLUSH: it makes Go's inflater return what it has.
 */
function toStoredBlocks(text: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += MAX_STORED_BYTES) {
    const piece = text.subarray(at, at + MAX_STORED_BYTES);
    const { length } = piece;
    const header = [0, length & 0xff, length >> 8, ~length & 0xff];
    header.push((~length >> 8) & 0xff);
    parts.push(Uint8Array.from(header), piece);
  }
  parts.push(Uint8Array.of(0, 0, 0, 0xff, 0xff));
  return parts;
}

function toUint32(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return new Uint8Array(view.buffer);
}

function invalidHeaders(state: string, cause?: unknown): AranyaError {
  return new AranyaError("invalid", `Cannot read SPDY headers: ${state}`, {
    cause,
  });
}

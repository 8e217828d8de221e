// SPDX-License-Identifier: Apache-2.0
/** Parser of SPDY/3.1 frames; layout and draft are in spdy_frames.ts. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  CONTROL_BIT,
  CONTROL_TYPE,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  FLAGS_SHIFT,
  FRAME_HEADER_BYTES,
  LENGTH_MASK,
  PRIORITY_SHIFT,
  SETTING_ID_MASK,
  SPDY_VERSION,
  type SpdyFrame,
  STREAM_ID_MASK,
  VERSION_MASK,
} from "./spdy_frames.ts";
import {
  SpdyHeaderReader,
  type SpdyHeaderReaderOptions,
} from "./spdy_headers.ts";

/** Limits of {@linkcode SpdyFrameReader}. */
export interface SpdyFrameReaderOptions extends SpdyHeaderReaderOptions {
  /** Upper bound of a control frame, in bytes. @default 16384 */
  maxControlBytes?: number;
}

interface FrameHeader {
  isControl: boolean;
  /** Type of a control frame; stream id of a data frame. */
  subject: number;
  flags: number;
  /** Bytes after the header; of a data frame those that are still to be returned. */
  length: number;
}

/**
 * Parses the bytes of one direction of a connection into frames. Control frames of unknown types
 * are skipped (section 2.2.1).
 *
 * @example
 * ```ts
 * reader.push(chunk);
 * for (let frame = reader.next(); frame; frame = reader.next()) handle(frame);
 * ```
 */
export class SpdyFrameReader {
  readonly #maxControlBytes: number;
  readonly #headers: SpdyHeaderReader;
  #chunks: Uint8Array[] = [];
  #bufferedBytes = 0;
  /** The frame whose header was read last, until it is returned as a whole. */
  #current: FrameHeader | undefined;

  constructor(options: SpdyFrameReaderOptions = {}) {
    this.#maxControlBytes = options.maxControlBytes ?? 16_384;
    this.#headers = new SpdyHeaderReader(options);
  }

  /** Adds bytes from the socket, in pieces of any size. They are not copied. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
  }

  /**
   * Returns the next frame, or undefined when more bytes are needed. Data is returned as it
   * arrives, before its frame is complete.
   * @throws {AranyaError} code "invalid" or "too_large"; no later frame can be read then
   */
  next(): SpdyFrame | undefined {
    for (;;) {
      this.#current ??= this.#readHeader();
      if (!this.#current) return undefined;
      if (!this.#current.isControl) return this.#readData(this.#current);
      if (this.#bufferedBytes < this.#current.length) return undefined;
      const header = this.#current;
      this.#current = undefined;
      const frame = this.#parseControl(header, this.#take(header.length));
      if (frame) return frame;
    }
  }

  #readHeader(): FrameHeader | undefined {
    if (this.#bufferedBytes < FRAME_HEADER_BYTES) return undefined;
    const view = toView(this.#take(FRAME_HEADER_BYTES));
    const first = view.getUint32(0);
    const second = view.getUint32(4);
    const header = {
      isControl: (first & CONTROL_BIT) !== 0,
      subject: first & STREAM_ID_MASK,
      flags: second >>> FLAGS_SHIFT,
      length: second & LENGTH_MASK,
    };
    if (!header.isControl) {
      if (header.subject === 0) throw invalidFrame("data of stream 0");
      return header;
    }
    const version = (first >>> 16) & VERSION_MASK;
    if (version !== SPDY_VERSION) {
      throw invalidFrame(`version ${version}, expected ${SPDY_VERSION}`);
    }
    if (header.length > this.#maxControlBytes) {
      throw new AranyaError(
        "too_large",
        `Cannot read SPDY frame: it is ${header.length} bytes long, expected at most ${this.#maxControlBytes}`,
      );
    }
    return { ...header, subject: first & 0xffff };
  }

  /** Returns the bytes of a data frame that have arrived; only the last piece has `fin`. */
  #readData(header: FrameHeader): SpdyFrame | undefined {
    const chunk = this.#chunks[0];
    if (header.length > 0 && !chunk) return undefined;
    const bytes = this.#take(Math.min(header.length, chunk?.length ?? 0));
    const left = header.length - bytes.length;
    this.#current = left > 0 ? { ...header, length: left } : undefined;
    return {
      type: "data",
      streamId: header.subject,
      fin: left === 0 && (header.flags & FLAG_FIN) !== 0,
      bytes,
    };
  }

  /** Returns undefined for an unknown type. */
  #parseControl(header: FrameHeader, body: Uint8Array): SpdyFrame | undefined {
    const view = toView(body);
    const { flags } = header;
    const streamId = body.length >= 4 ? view.getUint32(0) & STREAM_ID_MASK : 0;
    const fin = (flags & FLAG_FIN) !== 0;
    switch (header.subject) {
      case CONTROL_TYPE.synStream:
        // | stream id (31) | associated id (31) | priority (3) unused (5) slot (8) | header block |
        assertValid(body.length >= 10 && streamId > 0, "SYN_STREAM");
        return {
          type: "syn_stream",
          streamId,
          associatedId: view.getUint32(4) & STREAM_ID_MASK,
          priority: view.getUint8(8) >> PRIORITY_SHIFT,
          fin,
          unidirectional: (flags & FLAG_UNIDIRECTIONAL) !== 0,
          headers: this.#headers.read(body.subarray(10)),
        };
      case CONTROL_TYPE.synReply:
      case CONTROL_TYPE.headers: {
        // | stream id (31) | header block |
        const isReply = header.subject === CONTROL_TYPE.synReply;
        const type = isReply ? "syn_reply" : "headers";
        assertValid(body.length >= 4 && streamId > 0, type);
        const headers = this.#headers.read(body.subarray(4));
        return { type, streamId, fin, headers };
      }
      case CONTROL_TYPE.rstStream:
        // | stream id (31) | status (32) |
        assertValid(body.length === 8 && streamId > 0, "RST_STREAM");
        return { type: "rst_stream", streamId, status: view.getUint32(4) };
      case CONTROL_TYPE.settings:
        return { type: "settings", entries: parseSettings(view) };
      case CONTROL_TYPE.ping:
        // | id (32) |
        assertValid(body.length === 4, "PING");
        return { type: "ping", id: view.getUint32(0) };
      case CONTROL_TYPE.goAway:
        // | last good stream id (31) | status (32) |
        assertValid(body.length === 8, "GOAWAY");
        return {
          type: "goaway",
          lastStreamId: streamId,
          status: view.getUint32(4),
        };
      case CONTROL_TYPE.windowUpdate:
        // | stream id (31), 0: the connection | delta (31) |
        assertValid(body.length === 8, "WINDOW_UPDATE");
        return {
          type: "window_update",
          streamId,
          delta: view.getUint32(4) & STREAM_ID_MASK,
        };
      default:
        return undefined;
    }
  }

  /** Removes this many buffered bytes; copies them only when they are in several chunks. */
  #take(length: number): Uint8Array {
    this.#bufferedBytes -= length;
    const [first] = this.#chunks;
    if (length === 0 || !first) return new Uint8Array();
    if (first.length > length) {
      this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    if (first.length === length) return this.#chunks.shift() ?? first;
    const joined = new Uint8Array(length);
    for (let offset = 0; offset < length;) {
      const chunk = this.#chunks.shift() ?? new Uint8Array();
      const part = chunk.subarray(0, length - offset);
      if (part.length < chunk.length) {
        this.#chunks.unshift(chunk.subarray(part.length));
      }
      joined.set(part, offset);
      offset += part.length;
    }
    return joined;
  }
}

/** Layout: `| number of entries (32) |`, then `| flags (8) | id (24) | value (32) |` for each. */
function parseSettings(view: DataView) {
  assertValid(view.byteLength >= 4, "SETTINGS");
  const count = view.getUint32(0);
  assertValid(view.byteLength === 4 + count * 8, "SETTINGS");
  return Array.from({ length: count }, (_, index) => {
    const word = view.getUint32(4 + index * 8);
    return {
      flags: word >>> FLAGS_SHIFT,
      id: word & SETTING_ID_MASK,
      value: view.getUint32(8 + index * 8),
    };
  });
}

function toView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function assertValid(isValid: boolean, frame: string): void {
  if (!isValid) throw invalidFrame(`wrong length or stream id of ${frame}`);
}

function invalidFrame(state: string): AranyaError {
  return new AranyaError("invalid", `Cannot read SPDY frame: ${state}`);
}

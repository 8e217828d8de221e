// SPDX-License-Identifier: Apache-2.0
/** Bytes of a SPDY/3.1 connection in, frames out. The pictures stand in spdy_frames.ts; sections are those of the SPDY/3.1 draft. */
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
  createHeaderReader,
  type HeaderReaderOptions,
} from "./spdy_headers.ts";

/** Limits of {@linkcode createFrameReader}. */
export interface FrameReaderOptions extends HeaderReaderOptions {
  /** No control frame may be longer, in bytes. @default 16384 */
  maxControlBytes?: number;
}

/** See {@linkcode createFrameReader}. */
export interface FrameReader {
  /** Takes what came from the socket, in pieces of any size. The array is kept until its frames are read. */
  push(chunk: Uint8Array): void;
  /**
   * The next frame, or undefined when more bytes are needed. Data comes as soon as some of it is there, without waiting for its frame's end.
   * @throws {AranyaError} "invalid" or "too_large"; the connection can't go on after it
   */
  next(): SpdyFrame | undefined;
}

interface Header {
  control: boolean;
  /** Type of a control frame, id of a data frame's stream. */
  subject: number;
  flags: number;
  length: number;
}

/** Makes a reader for one direction of one connection. */
export function createFrameReader(
  options: FrameReaderOptions = {},
): FrameReader {
  return new Reader(options);
}

class Reader implements FrameReader {
  readonly #maxControlBytes: number;
  readonly #headers: ReturnType<typeof createHeaderReader>;
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** The frame whose header has been read, with what is left of its data. */
  #current: Header | undefined;

  constructor(options: FrameReaderOptions) {
    this.#maxControlBytes = options.maxControlBytes ?? 16_384;
    this.#headers = createHeaderReader(options);
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
  }

  next(): SpdyFrame | undefined {
    for (;;) {
      this.#current ??= this.#readHeader();
      if (!this.#current) return undefined;
      if (!this.#current.control) return this.#readData(this.#current);
      if (this.#held < this.#current.length) return undefined;
      const header = this.#current;
      this.#current = undefined;
      const frame = this.#parseControl(header, this.#take(header.length));
      if (frame) return frame;
    }
  }

  #readHeader(): Header | undefined {
    if (this.#held < FRAME_HEADER_BYTES) return undefined;
    const view = toView(this.#take(FRAME_HEADER_BYTES));
    const first = view.getUint32(0);
    const second = view.getUint32(4);
    const header = {
      control: (first & CONTROL_BIT) !== 0,
      subject: first & STREAM_ID_MASK,
      flags: second >>> FLAGS_SHIFT,
      length: second & LENGTH_MASK,
    };
    if (!header.control) {
      if (header.subject === 0) throw invalid("data of stream 0");
      return header;
    }
    const version = (first >>> 16) & VERSION_MASK;
    if (version !== SPDY_VERSION) {
      throw invalid(`version ${version}, expected ${SPDY_VERSION}`);
    }
    if (header.length > this.#maxControlBytes) {
      throw new AranyaError(
        "too_large",
        `Cannot read SPDY frame: it is ${header.length} bytes long, expected at most ${this.#maxControlBytes}`,
      );
    }
    return { ...header, subject: first & 0xffff };
  }

  /** What is there of a data frame; the last piece carries its FIN. */
  #readData(header: Header): SpdyFrame | undefined {
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

  /** Undefined for a type that is not known: those are skipped (section 2.2.1). */
  #parseControl(header: Header, body: Uint8Array): SpdyFrame | undefined {
    const view = toView(body);
    const { flags } = header;
    const streamId = body.length >= 4 ? view.getUint32(0) & STREAM_ID_MASK : 0;
    const fin = (flags & FLAG_FIN) !== 0;
    switch (header.subject) {
      case CONTROL_TYPE.synStream:
        // | stream id (31) | associated id (31) | priority (3) unused (5) slot (8) | header block |
        expect(body.length >= 10 && streamId > 0, "SYN_STREAM");
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
        const reply = header.subject === CONTROL_TYPE.synReply;
        const type = reply ? "syn_reply" : "headers";
        expect(body.length >= 4 && streamId > 0, type);
        const headers = this.#headers.read(body.subarray(4));
        return { type, streamId, fin, headers };
      }
      case CONTROL_TYPE.rstStream:
        // | stream id (31) | status (32) |
        expect(body.length === 8 && streamId > 0, "RST_STREAM");
        return { type: "rst_stream", streamId, status: view.getUint32(4) };
      case CONTROL_TYPE.settings:
        return { type: "settings", entries: parseSettings(view) };
      case CONTROL_TYPE.ping:
        // | id (32) |
        expect(body.length === 4, "PING");
        return { type: "ping", id: view.getUint32(0) };
      case CONTROL_TYPE.goAway:
        // | last good stream id (31) | status (32) |
        expect(body.length === 8, "GOAWAY");
        return {
          type: "goaway",
          lastStreamId: streamId,
          status: view.getUint32(4),
        };
      case CONTROL_TYPE.windowUpdate:
        // | stream id (31), 0: the connection | delta (31) |
        expect(body.length === 8, "WINDOW_UPDATE");
        return {
          type: "window_update",
          streamId,
          delta: view.getUint32(4) & STREAM_ID_MASK,
        };
      default:
        return undefined;
    }
  }

  /** Removes this many bytes, which must be there; without copying when they lie in one chunk. */
  #take(length: number): Uint8Array {
    this.#held -= length;
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

/** `| number of entries (32) |` then `| flags (8) | id (24) | value (32) |` each. */
function parseSettings(view: DataView) {
  expect(view.byteLength >= 4, "SETTINGS");
  const count = view.getUint32(0);
  expect(view.byteLength === 4 + count * 8, "SETTINGS");
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

function expect(holds: boolean, what: string): void {
  if (!holds) throw invalid(`${what} of a wrong length or stream`);
}

function invalid(what: string): AranyaError {
  return new AranyaError("invalid", `Cannot read SPDY frame: ${what}`);
}

// SPDX-License-Identifier: Apache-2.0
/** The client side of HTTP/1.1 on one connection, as far as the Docker Engine API uses it. */
import { concatBytes, fromUtf8, utf8 } from "../../shared/base/mod.ts";

/** A byte connection. `Deno.TcpConn` and `Deno.UnixConn` are such. */
export interface ByteConnection {
  /** Reads into the buffer and returns the number of bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes at least one byte of the chunk and returns the number of bytes written. */
  write(chunk: Uint8Array): Promise<number>;
  /** Shuts down the write side only. */
  closeWrite(): Promise<void>;
  /** Closes both directions. */
  close(): void;
}

/** A request, encoded. */
export interface HttpRequest {
  /** Request line and headers with the empty line at the end. */
  head: string;
  /** Of the length that the header Content-Length names. */
  body: Uint8Array;
}

/** Status line and headers of a response. */
export interface ResponseHead {
  status: number;
  /** Values by name in lower case. */
  headers: Map<string, string>;
}

/** Upper bound of a response's status line and headers. */
export const MAX_HEAD_BYTES = 64 * 1024;
const READ_BUFFER_BYTES = 64 * 1024;
const MAX_CHUNK_LINE_BYTES = 4 * 1024;
/** Long enough for a chunk's size line without extensions. */
const SHORT_CHUNK_LINE_BYTES = 16;
const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;

/** A response that violates the protocol, or ends too early. */
export class HttpSyntaxError extends Error {
  override readonly name = "HttpSyntaxError";
}

/**
 * One connection, which serves one exchange at a time (RFC 9112):
 *
 *     request  = line, headers, body of known length
 *     response = line, headers, then a body by Content-Length, chunks, or to the connection's end;
 *                after "101" (or "200" of a hijacked call) both directions are raw bytes
 *
 * It reads from the connection only when its caller asks for bytes: that is the back-pressure.
 */
export class HttpConnection {
  readonly #conn: ByteConnection;
  readonly #buffer = new Uint8Array(READ_BUFFER_BYTES);
  /** Bytes that were read from the connection but not consumed. */
  #rest: Uint8Array = new Uint8Array();
  #isClosed = false;
  #hasReceived = false;

  constructor(conn: ByteConnection) {
    this.#conn = conn;
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether a byte was received since the last `send`. */
  get hasReceived(): boolean {
    return this.#hasReceived;
  }

  /** Writes the whole chunk; resolves when the kernel has taken it. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length;) {
      offset += await this.#conn.write(chunk.subarray(offset));
    }
  }

  /** Sends a request. */
  async send({ head, body }: HttpRequest): Promise<void> {
    this.#hasReceived = false;
    await this.write(concatBytes([utf8(head), body]));
  }

  /** Half-closes the connection: the other end reads the end of the bytes. */
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /** Closes both directions; pending reads and writes reject. May be called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  /**
   * Reads the head of the next response; skips interim ones (100, 103).
   * @throws {HttpSyntaxError}
   */
  async readHead(): Promise<ResponseHead> {
    for (;;) {
      const head = parseHead(await this.#readUntilBlankLine());
      if (head.status === 101 || head.status >= 200) return head;
    }
  }

  /**
   * Yields the response's body in pieces and returns whether another request may follow on this
   * connection.
   * @throws {HttpSyntaxError}
   */
  async *readBody(
    { headers, status }: ResponseHead,
  ): AsyncGenerator<Uint8Array, { isReusable: boolean }> {
    const isReusable = headers.get("connection")?.toLowerCase() !== "close";
    if (status === 204 || status === 304) return { isReusable };
    if (/\bchunked\b/i.test(headers.get("transfer-encoding") ?? "")) {
      yield* this.#readChunks();
      return { isReusable };
    }
    const length = headers.get("content-length");
    if (length === undefined) {
      yield* this.readRaw();
      return { isReusable: false };
    }
    if (!/^\d+$/.test(length)) {
      throw new HttpSyntaxError(`invalid content-length "${length}"`);
    }
    yield* this.#readExactly(Number(length));
    return { isReusable };
  }

  /** Yields bytes until the other end closes its side. */
  async *readRaw(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = await this.#readMore();
      if (!bytes) return;
      yield bytes;
    }
  }

  /** Yields the payloads of a chunked body (RFC 9112, section 7.1). */
  async *#readChunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const payloads = this.#takeWholeChunks();
      if (payloads.length > 0) yield concatBytes(payloads);
      const length = parseChunkSize(await this.#readLine());
      if (length === 0) break;
      yield* this.#readExactly(length);
      if (await this.#readLine() !== "") {
        throw new HttpSyntaxError("a chunk is longer than its size");
      }
    }
    // Trailers, if any, up to the empty line.
    while (await this.#readLine() !== "");
  }

  /**
   * Takes the payloads of all chunks that have been received whole, except for the last chunk. The
   * engine sends each line of a log as a chunk of its own, so that one read often holds hundreds.
   */
  #takeWholeChunks(): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    for (;;) {
      const rest = this.#rest;
      const start = rest.subarray(0, SHORT_CHUNK_LINE_BYTES)
        .indexOf(LINE_FEED) + 1;
      if (start === 0) return payloads;
      const line = fromUtf8(rest.subarray(0, start - 1));
      const length = parseChunkSize(line.trimEnd());
      const end = start + length;
      const isWhole = rest[end] === CARRIAGE_RETURN &&
        rest[end + 1] === LINE_FEED;
      // `#readChunks` reads the rest one by one, and refuses what is malformed.
      if (length === 0 || !isWhole) return payloads;
      payloads.push(rest.subarray(start, end));
      this.#rest = rest.subarray(end + 2);
    }
  }

  async *#readExactly(length: number): AsyncGenerator<Uint8Array> {
    for (let missing = length; missing > 0;) {
      const bytes = await this.#readMore();
      if (!bytes) throw new HttpSyntaxError("the response is incomplete");
      const taken = bytes.subarray(0, missing);
      this.#rest = bytes.subarray(taken.length);
      missing -= taken.length;
      yield taken;
    }
  }

  /** Returns the next line without its end. */
  async #readLine(): Promise<string> {
    let line = new Uint8Array();
    for (;;) {
      const bytes = await this.#readMore();
      if (!bytes) throw new HttpSyntaxError("the response is incomplete");
      const end = bytes.indexOf(LINE_FEED);
      if (end >= 0) {
        this.#rest = bytes.subarray(end + 1);
        line = concatBytes([line, bytes.subarray(0, end)]) as typeof line;
        return fromUtf8(line).replace(/\r$/, "");
      }
      line = concatBytes([line, bytes]) as typeof line;
      if (line.length > MAX_CHUNK_LINE_BYTES) {
        throw new HttpSyntaxError("a chunk's size line is too long");
      }
    }
  }

  /** Returns the lines up to the next blank line, without their last line end. */
  async #readUntilBlankLine(): Promise<string> {
    let held = new Uint8Array();
    for (;;) {
      const bytes = await this.#readMore();
      if (!bytes) throw new HttpSyntaxError("the connection was closed");
      const before = held.length;
      held = concatBytes([held, bytes]) as typeof held;
      const end = indexOfBlankLine(held, Math.max(0, before - 3));
      if (end >= 0 && end <= MAX_HEAD_BYTES) {
        this.#rest = held.subarray(end + 4);
        return fromUtf8(held.subarray(0, end));
      }
      if (held.length > MAX_HEAD_BYTES) {
        throw new HttpSyntaxError("the response's headers are too long");
      }
    }
  }

  /** Returns the rest, if any, else bytes that it reads; undefined at the connection's end. */
  async #readMore(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = new Uint8Array();
      return rest;
    }
    const count = await this.#conn.read(this.#buffer);
    if (count === null) return undefined;
    this.#hasReceived = true;
    return this.#buffer.slice(0, count);
  }
}

/** @throws {HttpSyntaxError} */
function parseChunkSize(line: string): number {
  const size = line.match(/^([0-9a-f]{1,12})\s*(?:;.*)?$/i)?.[1];
  if (size === undefined) throw new HttpSyntaxError("invalid chunk size");
  return parseInt(size, 16);
}

/** Returns the offset of the first CR LF CR LF at or after `from`, or -1. */
function indexOfBlankLine(bytes: Uint8Array, from: number): number {
  for (
    let at = bytes.indexOf(CARRIAGE_RETURN, from);
    at >= 0;
    at = bytes.indexOf(CARRIAGE_RETURN, at + 1)
  ) {
    if (
      bytes[at + 1] === LINE_FEED && bytes[at + 2] === CARRIAGE_RETURN &&
      bytes[at + 3] === LINE_FEED
    ) {
      return at;
    }
  }
  return -1;
}

/**
 * Parses a response's status line and headers.
 * @param text lines separated by CR LF, without the blank line
 * @throws {HttpSyntaxError}
 */
export function parseHead(text: string): ResponseHead {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const status = statusLine.match(/^HTTP\/1\.[01] (\d{3})(?: |$)/)?.[1];
  if (status === undefined) throw new HttpSyntaxError("not an HTTP response");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new HttpSyntaxError("a header has no name");
    headers.set(
      line.slice(0, colon).trim().toLowerCase(),
      line.slice(colon + 1).trim(),
    );
  }
  return { status: Number(status), headers };
}

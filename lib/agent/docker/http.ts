// SPDX-License-Identifier: Apache-2.0
/**
 * HTTP/1.1 from the client's side on one connection, as much of it as the Docker Engine API uses (RFC 9112):
 *
 *     request  = line, headers, body of known length
 *     response = line, headers, then a body by Content-Length, by chunks, or to the connection's end;
 *                after "101" (or "200" of a hijacked call) both directions are raw bytes
 *
 * Reading happens only when somebody asks for bytes: that is the back-pressure.
 */
import { concatBytes, fromUtf8, utf8 } from "../../shared/base/mod.ts";

/** A byte connection; Deno's TCP and unix connections are one. */
export interface ByteConnection {
  read(buffer: Uint8Array): Promise<number | null>;
  write(chunk: Uint8Array): Promise<number>;
  /** Shuts down the write side only. */
  closeWrite(): Promise<void>;
  close(): void;
}

/** Status line and headers of an answer. */
export interface ResponseHead {
  status: number;
  /** Names in lower case. */
  headers: Map<string, string>;
}

/** No answer's head may be longer. */
export const MAX_HEAD_BYTES = 64 * 1024;
const READ_BYTES = 64 * 1024;
const MAX_CHUNK_LINE_BYTES = 4 * 1024;
/** A chunk's length and line end, without extensions. */
const SHORT_CHUNK_LINE_BYTES = 16;
const LINE_FEED = 10;

/** An answer that breaks the protocol. */
export class HttpSyntaxError extends Error {
  override readonly name = "HttpSyntaxError";
}

/** One connection; one exchange at a time. */
export class HttpConnection {
  readonly #conn: ByteConnection;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #rest: Uint8Array = new Uint8Array();
  #closed = false;
  /** Whether a byte of an answer has been read since the last `send`. */
  answered = false;

  constructor(conn: ByteConnection) {
    this.#conn = conn;
  }

  /** Whether it was closed on this side. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Writes all of it; resolves when the kernel has taken it. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length;) {
      offset += await this.#conn.write(chunk.subarray(offset));
    }
  }

  /** Sends a request's head and body. */
  async send(head: string, body: Uint8Array): Promise<void> {
    this.answered = false;
    await this.write(concatBytes([utf8(head), body]));
  }

  /** Half-close: the other end sees the end of our bytes. */
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /** Ends both directions; pending reads and writes reject. May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  /** The next answer's head; interim ones (100, 103) are skipped. @throws {HttpSyntaxError} */
  async readHead(): Promise<ResponseHead> {
    for (;;) {
      const head = parseHead(await this.#readUntilBlankLine());
      if (head.status === 101 || head.status >= 200) return head;
    }
  }

  /** The answer's body in pieces; gives `true` at last when another request may follow on this connection. */
  async *readBody(
    head: ResponseHead,
  ): AsyncGenerator<Uint8Array, { reusable: boolean }> {
    const { headers, status } = head;
    const reusable = headers.get("connection")?.toLowerCase() !== "close";
    if (status === 204 || status === 304) return { reusable };
    if (/\bchunked\b/i.test(headers.get("transfer-encoding") ?? "")) {
      yield* this.#readChunks();
      return { reusable };
    }
    const length = headers.get("content-length");
    if (length === undefined) {
      yield* this.readRaw();
      return { reusable: false };
    }
    if (!/^\d+$/.test(length)) {
      throw new HttpSyntaxError(`content-length is "${length}"`);
    }
    yield* this.#readExactly(Number(length));
    return { reusable };
  }

  /** Bytes until the other end closes. */
  async *readRaw(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = await this.#next();
      if (!bytes) return;
      yield bytes;
    }
  }

  async *#readChunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const whole = this.#takeChunks();
      if (whole.length > 0) yield concatBytes(whole);
      const length = parseChunkSize(await this.#readLine());
      if (length === 0) break;
      yield* this.#readExactly(length);
      if (await this.#readLine() !== "") {
        throw new HttpSyntaxError("a chunk is longer than it said");
      }
    }
    // Trailers, if any, up to the empty line.
    while (await this.#readLine() !== "");
  }

  /** Payloads of the chunks that are here in full, but for the empty one at the end: the engine makes one of each line of a log. */
  #takeChunks(): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    for (;;) {
      const rest = this.#rest;
      const start = rest.subarray(0, SHORT_CHUNK_LINE_BYTES)
        .indexOf(LINE_FEED) + 1;
      if (start === 0) return payloads;
      const line = fromUtf8(rest.subarray(0, start - 1));
      const length = parseChunkSize(line.trimEnd());
      const end = start + length;
      const isWhole = rest[end] === 13 && rest[end + 1] === LINE_FEED;
      // What is odd is judged where chunks are read one by one.
      if (length === 0 || !isWhole) return payloads;
      payloads.push(rest.subarray(start, end));
      this.#rest = rest.subarray(end + 2);
    }
  }

  async *#readExactly(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      const bytes = await this.#next();
      if (!bytes) throw new HttpSyntaxError("the answer ends too early");
      const taken = bytes.subarray(0, left);
      this.#rest = bytes.subarray(taken.length);
      left -= taken.length;
      yield taken;
    }
  }

  async #readLine(): Promise<string> {
    let held = new Uint8Array();
    for (;;) {
      const bytes = await this.#next();
      if (!bytes) throw new HttpSyntaxError("the answer ends too early");
      const end = bytes.indexOf(LINE_FEED);
      if (end >= 0) {
        this.#rest = bytes.subarray(end + 1);
        held = concatBytes([held, bytes.subarray(0, end)]) as typeof held;
        return fromUtf8(held).replace(/\r$/, "");
      }
      held = concatBytes([held, bytes]) as typeof held;
      if (held.length > MAX_CHUNK_LINE_BYTES) {
        throw new HttpSyntaxError("a line of the answer is too long");
      }
    }
  }

  async #readUntilBlankLine(): Promise<string> {
    let held = new Uint8Array();
    for (;;) {
      const bytes = await this.#next();
      if (!bytes) throw new HttpSyntaxError("the connection ended");
      const before = held.length;
      held = concatBytes([held, bytes]) as typeof held;
      const end = findBlankLine(held, Math.max(0, before - 3));
      if (end >= 0 && end <= MAX_HEAD_BYTES) {
        this.#rest = held.subarray(end + 4);
        return fromUtf8(held.subarray(0, end));
      }
      if (held.length > MAX_HEAD_BYTES) {
        throw new HttpSyntaxError("the answer's head is too long");
      }
    }
  }

  /** What was left over, else what comes next; undefined at the end. */
  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = new Uint8Array();
      return rest;
    }
    const count = await this.#conn.read(this.#buffer);
    if (count === null) return undefined;
    this.answered = true;
    return this.#buffer.slice(0, count);
  }
}

/** @throws {HttpSyntaxError} */
function parseChunkSize(line: string): number {
  const size = line.match(/^([0-9a-f]{1,12})\s*(?:;.*)?$/i)?.[1];
  if (size === undefined) throw new HttpSyntaxError("bad chunk size");
  return parseInt(size, 16);
}

/** Where CR LF CR LF begins, or -1. */
function findBlankLine(bytes: Uint8Array, from: number): number {
  for (
    let at = bytes.indexOf(13, from);
    at >= 0;
    at = bytes.indexOf(13, at + 1)
  ) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
      return at;
    }
  }
  return -1;
}

/** Reads a status line and headers. @throws {HttpSyntaxError} */
export function parseHead(text: string): ResponseHead {
  const [first = "", ...lines] = text.split("\r\n");
  const status = first.match(/^HTTP\/1\.[01] (\d{3})(?: |$)/)?.[1];
  if (status === undefined) {
    throw new HttpSyntaxError("the answer is not HTTP");
  }
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

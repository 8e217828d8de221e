// SPDX-License-Identifier: Apache-2.0
/** One stream of a SPDY connection: what the peer sent and has not been read yet, and both halves' ends. */
import { AranyaError, concatBytes } from "../../shared/base/mod.ts";
import type { SpdyHeaders } from "./spdy_headers.ts";

/** Pieces are joined up to this length: what a command or a packet takes at once. */
const MAX_JOINED_BYTES = 64 * 1024;

/** A stream of bytes both ways, each half with its own end. */
export interface SpdyStream {
  /** Odd: opened by the client. */
  readonly id: number;
  /** What it was opened with, names in lower case. */
  readonly headers: SpdyHeaders;
  /**
   * What the peer sends; ends at its FIN, throws when the stream was reset or the connection has gone. One reader. Leaving the loop
   * early drops what is still to come.
   */
  readonly readable: AsyncIterable<Uint8Array>;
  /** Aborted when the stream was reset by either side, or its connection has gone; not by both halves' own ends. */
  readonly signal: AbortSignal;
  /** Resolves when the connection has room for more. @throws {AranyaError} "cancelled" when stream or connection has ended */
  write(chunk: Uint8Array): Promise<void>;
  /** Nothing more comes from us (FIN). May be called twice. */
  end(): void;
  /** Ends both halves at once (RST_STREAM). May be called twice. */
  reset(): void;
}

/** What a stream asks of its connection. */
export interface StreamHost {
  send(id: number, data: { bytes: Uint8Array; fin: boolean }): Promise<void>;
  sendReset(id: number): void;
  /** So many bytes that had come were read or dropped. */
  consumed(bytes: number): void;
  /** Both halves are closed. */
  gone(id: number): void;
}

/** The connection's side of a stream. */
export class HeldStream implements SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #host: StreamHost;
  #queue: Uint8Array[] = [];
  /** "dropping": nobody reads any more. */
  #incoming: "open" | "ended" | "dropping" = "open";
  #outgoing: "open" | "ended" = "open";
  #peerEnded = false;
  #failure: AranyaError | undefined;
  #wake: (() => void) | undefined;
  #controller: AbortController | undefined;

  constructor(
    options: { id: number; headers: SpdyHeaders; host: StreamHost },
  ) {
    this.id = options.id;
    this.headers = options.headers;
    this.#host = options.host;
  }

  get readable(): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#next(),
        return: () => {
          this.#drop();
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
  }

  /** Made only when somebody looks: most streams don't need one. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#failure) this.#controller.abort(this.#failure);
    return this.#controller.signal;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#outgoing === "ended") {
      throw new AranyaError(
        "cancelled",
        "Cannot write to stream: it has ended",
      );
    }
    await this.#host.send(this.id, { bytes: chunk, fin: false });
  }

  end(): void {
    if (this.#outgoing === "ended" || this.#failure) return;
    this.#outgoing = "ended";
    this.#host.send(this.id, { bytes: new Uint8Array(), fin: true }).catch(
      // The connection's end is told to its owner and to every reader; a FIN has nobody left to wait for it.
      () => {},
    );
    this.#settle();
  }

  reset(): void {
    if (this.#failure) return;
    this.#host.sendReset(this.id);
    this.fail(
      new AranyaError("cancelled", "Cannot use stream: it has been reset"),
    );
  }

  /** Bytes from the peer. */
  take(bytes: Uint8Array): void {
    if (this.#incoming !== "open" || bytes.length === 0) {
      this.#host.consumed(bytes.length);
      return;
    }
    this.#queue.push(bytes);
    this.#wake?.();
  }

  /** The peer's FIN. */
  takeEnd(): void {
    if (this.#incoming === "open") this.#incoming = "ended";
    this.#peerEnded = true;
    this.#wake?.();
    this.#settle();
  }

  /** Reset by the peer, or the connection has gone. */
  fail(error: AranyaError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#controller?.abort(error);
    this.#clear();
    this.#wake?.();
    this.#host.gone(this.id);
  }

  #settle(): void {
    if (this.#peerEnded && this.#outgoing === "ended") this.#host.gone(this.id);
  }

  #drop(): void {
    this.#incoming = "dropping";
    this.#clear();
    this.#wake?.();
  }

  #clear(): void {
    const bytes = this.#queue.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#queue = [];
    this.#host.consumed(bytes);
  }

  /** The next bytes: of many small pieces that wait already, as many as one packet carries well. */
  #shift(): Uint8Array | undefined {
    const first = this.#queue.shift();
    let byteCount = first?.length ?? 0;
    let count = 0;
    for (const { length } of this.#queue) {
      if (byteCount + length > MAX_JOINED_BYTES) break;
      byteCount += length;
      count++;
    }
    if (!first || count === 0) return first;
    return concatBytes([first, ...this.#queue.splice(0, count)]);
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      const value = this.#shift();
      if (value) {
        this.#host.consumed(value.length);
        return { done: false, value };
      }
      if (this.#incoming !== "open") return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
/** One stream of a SPDY connection. */
import { AranyaError, concatBytes, Notifier } from "../../shared/base/mod.ts";
import type { SpdyHeaders } from "./spdy_headers.ts";

/** Small chunks are joined up to this length: one packet of the session holds as much. */
const MAX_JOINED_BYTES = 64 * 1024;

/** A stream of bytes in both directions; each direction ends by itself. */
export interface SpdyStream {
  /** Odd: opened by the client. */
  readonly id: number;
  /** Headers of the client's SYN_STREAM. */
  readonly headers: SpdyHeaders;
  /**
   * Bytes from the client. Ends at its FIN; throws when the stream is reset or the connection ends.
   * Has one reader. Leaving the loop early drops the rest.
   */
  readonly readable: AsyncIterable<Uint8Array>;
  /**
   * Is aborted when either side resets the stream or the connection ends; not when both directions
   * have ended.
   */
  readonly signal: AbortSignal;
  /**
   * Sends bytes. Resolves when the connection has room for more.
   * @throws {AranyaError} code "cancelled" when the stream or the connection has ended
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Ends this side's direction (FIN). May be called twice. */
  end(): void;
  /** Ends both directions at once (RST_STREAM). May be called twice. */
  reset(): void;
}

/** The connection of a {@linkcode BufferedSpdyStream}. */
export interface SpdyStreamHost {
  /** Sends a data frame; resolves when the connection has room for more. */
  sendData(
    streamId: number,
    data: { bytes: Uint8Array; fin: boolean },
  ): Promise<void>;
  /** Sends RST_STREAM. */
  sendReset(streamId: number): void;
  /** Received bytes were read or dropped. */
  onBytesConsumed(byteCount: number): void;
  /** Both directions of the stream have ended. */
  onStreamClosed(streamId: number): void;
}

/** A stream that buffers what the client sent until it is read. */
export class BufferedSpdyStream implements SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #host: SpdyStreamHost;
  readonly #received = new Notifier();
  #chunks: Uint8Array[] = [];
  /** What happens with received bytes. "dropping": the reader has left. */
  #incoming: "open" | "ended" | "dropping" = "open";
  #isFinSent = false;
  #isFinReceived = false;
  #failure: AranyaError | undefined;
  #controller: AbortController | undefined;

  constructor(
    options: { id: number; headers: SpdyHeaders; host: SpdyStreamHost },
  ) {
    this.id = options.id;
    this.headers = options.headers;
    this.#host = options.host;
  }

  get readable(): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#readNext(),
        return: () => {
          this.#stopReading();
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
  }

  get signal(): AbortSignal {
    // Created on demand: most streams need none.
    this.#controller ??= new AbortController();
    if (this.#failure) this.#controller.abort(this.#failure);
    return this.#controller.signal;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#isFinSent) {
      throw new AranyaError(
        "cancelled",
        "Cannot write to stream: it has ended",
      );
    }
    await this.#host.sendData(this.id, { bytes: chunk, fin: false });
  }

  end(): void {
    if (this.#isFinSent || this.#failure) return;
    this.#isFinSent = true;
    // The only error is the end of the connection, which is reported by other ways.
    this.#host.sendData(this.id, { bytes: new Uint8Array(), fin: true }).catch(
      () => {},
    );
    this.#closeIfEnded();
  }

  reset(): void {
    if (this.#failure) return;
    this.#host.sendReset(this.id);
    this.fail(new AranyaError("cancelled", "Cannot use stream: it was reset"));
  }

  /** Takes bytes from the client; they are dropped when no one reads. */
  receive(bytes: Uint8Array): void {
    if (this.#incoming !== "open" || bytes.length === 0) {
      this.#host.onBytesConsumed(bytes.length);
      return;
    }
    this.#chunks.push(bytes);
    this.#received.notify();
  }

  /** Takes the client's FIN. */
  receiveFin(): void {
    if (this.#incoming === "open") this.#incoming = "ended";
    this.#isFinReceived = true;
    this.#received.notify();
    this.#closeIfEnded();
  }

  /** Ends both directions without sending anything. May be called twice; the first error counts. */
  fail(error: AranyaError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#controller?.abort(error);
    this.#dropChunks();
    this.#received.notify();
    this.#host.onStreamClosed(this.id);
  }

  #closeIfEnded(): void {
    if (this.#isFinReceived && this.#isFinSent) {
      this.#host.onStreamClosed(this.id);
    }
  }

  #stopReading(): void {
    this.#incoming = "dropping";
    this.#dropChunks();
    this.#received.notify();
  }

  #dropChunks(): void {
    const byteCount = this.#chunks.reduce((sum, { length }) => sum + length, 0);
    this.#chunks = [];
    this.#host.onBytesConsumed(byteCount);
  }

  /** Removes the next chunk, joined with following ones if they are small. */
  #shiftChunk(): Uint8Array | undefined {
    const first = this.#chunks.shift();
    let byteCount = first?.length ?? 0;
    let chunkCount = 0;
    for (const { length } of this.#chunks) {
      if (byteCount + length > MAX_JOINED_BYTES) break;
      byteCount += length;
      chunkCount++;
    }
    if (!first || chunkCount === 0) return first;
    return concatBytes([first, ...this.#chunks.splice(0, chunkCount)]);
  }

  async #readNext(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      const value = this.#shiftChunk();
      if (value) {
        this.#host.onBytesConsumed(value.length);
        return { done: false, value };
      }
      if (this.#incoming !== "open") return { done: true, value: undefined };
      await this.#received.wait();
    }
  }
}

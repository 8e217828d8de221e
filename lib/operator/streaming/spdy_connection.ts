// SPDX-License-Identifier: Apache-2.0
/** The server's end of a SPDY/3.1 connection. */
import type { Socket } from "node:net";
import { AranyaError, asAranyaError, defined } from "../../shared/base/mod.ts";
import {
  type EncodableFrame,
  GOAWAY_STATUS,
  RST_STATUS,
  type SpdyFrame,
} from "./spdy_frames.ts";
import { type SpdyHeaders, SpdyHeaderWriter } from "./spdy_headers.ts";
import {
  type KeepAliveTarget,
  SpdyKeepAlive,
  type SpdyKeepAliveOptions,
} from "./spdy_keep_alive.ts";
import { ReadThrottle, resumeReading } from "./socket_flow.ts";
import { SpdyFrameReader } from "./spdy_reader.ts";
import {
  BufferedSpdyStream,
  type SpdyStream,
  type SpdyStreamHost,
} from "./spdy_stream.ts";
import { SpdyFrameWriter } from "./spdy_writer.ts";

/** Options of {@linkcode serveSpdy}. An idle connection is closed. */
export interface ServeSpdyOptions extends SpdyKeepAliveOptions {
  /** Bytes that arrived together with the upgrade request. */
  head?: Uint8Array | undefined;
  /** Is called for each stream that the client opens; "refuse" resets it. Must not throw. */
  onStream(stream: SpdyStream): "refuse" | void;
  /** Upper bound of the number of open streams; those above are reset. @default 1000 */
  maxStreams?: number;
}

/** An open connection. */
export interface SpdyConnection {
  /**
   * Is aborted when the client closes the connection or violates the protocol, or when `close` is
   * called. The reason is an {@linkcode AranyaError}.
   */
  readonly signal: AbortSignal;
  /**
   * Sends GOAWAY and what was written before, then closes the socket. Resolves when that is done,
   * after 3 s at most. May be called twice.
   */
  close(options?: { status?: number }): Promise<void>;
}

const MAX_STREAMS = 1000;
const MAX_DATA_BYTES = 64 * 1024;
const CLOSE_TIMEOUT_MS = 3_000;

/**
 * Serves SPDY on an upgraded socket, which belongs to the connection from then on. Reading from the
 * socket may be paused; it is resumed.
 */
export function serveSpdy(
  socket: Socket,
  options: ServeSpdyOptions,
): SpdyConnection {
  return new SpdyServerConnection(socket, options);
}

/**
 * States: "open" → "closing" (GOAWAY was sent and the socket's write side ended; received bytes are
 * dropped) → "closed".
 *
 * The SPDY library of Go sends no WINDOW_UPDATE and expects none, so flow control is that of TCP:
 * the socket is not read while too many bytes are unread. One slow stream thereby blocks the others
 * of its connection, as it does with a kubelet.
 */
class SpdyServerConnection
  implements SpdyConnection, SpdyStreamHost, KeepAliveTarget {
  readonly #socket: Socket;
  readonly #options: ServeSpdyOptions;
  readonly #reader = new SpdyFrameReader();
  readonly #writer: SpdyFrameWriter;
  readonly #headerWriter = new SpdyHeaderWriter();
  readonly #throttle: ReadThrottle;
  readonly #keepAlive: SpdyKeepAlive;
  readonly #streams = new Map<number, BufferedSpdyStream>();
  readonly #controller = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  #state: "open" | "closing" | "closed" = "open";
  #lastStreamId = 0;

  constructor(socket: Socket, options: ServeSpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#writer = new SpdyFrameWriter(socket);
    this.#throttle = new ReadThrottle(socket);
    const { pingIntervalMs, idleTimeoutMs } = options;
    this.#keepAlive = new SpdyKeepAlive(
      this,
      defined({ pingIntervalMs, idleTimeoutMs }),
    );
    socket.setNoDelay();
    socket.on("error", (error) => this.#setClosed(error));
    socket.on("end", () => this.#setClosed());
    socket.on("close", () => this.#setClosed());
    // No encoding is set, so these are bytes.
    socket.on("data", (chunk) => this.#receive(chunk as Uint8Array));
    // Later, since `onStream` must not be called before the caller has the connection.
    queueMicrotask(() => {
      this.#receive(options.head ?? new Uint8Array());
      if (!this.#throttle.isPaused) resumeReading(socket);
    });
    if (socket.destroyed) this.#setClosed();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isReadingPaused(): boolean {
    return this.#throttle.isPaused;
  }

  close(
    { status = GOAWAY_STATUS.ok }: { status?: number } = {},
  ): Promise<void> {
    this.#startClosing(
      status,
      new AranyaError(
        "cancelled",
        "Cannot use stream: the connection was closed",
      ),
    );
    return this.#closed.promise;
  }

  async sendData(
    streamId: number,
    { bytes, fin }: { bytes: Uint8Array; fin: boolean },
  ): Promise<void> {
    for (let at = 0; at === 0 || at < bytes.length; at += MAX_DATA_BYTES) {
      this.#throwIfNotOpen();
      const end = at + MAX_DATA_BYTES;
      this.#keepAlive.noteData();
      const hasRoom = this.#writer.writeData({
        streamId,
        fin: fin && end >= bytes.length,
        bytes: bytes.subarray(at, end),
      });
      if (!hasRoom) await this.#writer.drained();
    }
    this.#throwIfNotOpen();
  }

  sendReset(streamId: number): void {
    this.#resetStream(streamId, RST_STATUS.cancel);
  }

  sendPing(id: number): void {
    this.#sendControl({ type: "ping", id });
  }

  onBytesConsumed(byteCount: number): void {
    this.#throttle.remove(byteCount);
  }

  onStreamClosed(streamId: number): void {
    this.#streams.delete(streamId);
  }

  onIdle(): void {
    void this.close();
  }

  #throwIfNotOpen(): void {
    if (this.#state !== "open") throw this.#controller.signal.reason;
  }

  #receive(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    try {
      this.#reader.push(chunk);
      for (
        let frame = this.#reader.next();
        frame && this.#state === "open";
        frame = this.#reader.next()
      ) {
        this.#handleFrame(frame);
      }
    } catch (error) {
      this.#startClosing(
        GOAWAY_STATUS.protocolError,
        asAranyaError(error, "Cannot read SPDY connection"),
      );
      return;
    }
    if (this.#state === "open") this.#throttle.pauseIfFull();
  }

  #handleFrame(frame: SpdyFrame): void {
    switch (frame.type) {
      case "data":
        return this.#handleData(frame);
      case "syn_stream":
        return this.#handleSynStream(frame);
      case "headers":
        if (frame.fin) this.#streams.get(frame.streamId)?.receiveFin();
        return;
      case "rst_stream":
        this.#streams.get(frame.streamId)?.fail(
          new AranyaError(
            "cancelled",
            `Cannot read stream: the client reset it with status ${frame.status}`,
          ),
        );
        return;
      case "ping":
        // Pings of the client have odd ids; even ones are its replies.
        if (frame.id % 2 === 1) this.sendPing(frame.id);
        return;
      case "syn_reply":
        throw new AranyaError(
          "invalid",
          "Cannot read SPDY frame: reply to a stream that was never opened",
        );
      case "goaway": // The client opens no more streams; open ones continue until it closes.
      case "settings":
      case "window_update":
        return;
    }
  }

  #handleData(frame: Extract<SpdyFrame, { type: "data" }>): void {
    if (frame.streamId > this.#lastStreamId || frame.streamId % 2 === 0) {
      throw new AranyaError(
        "invalid",
        "Cannot read SPDY frame: data of a stream that was never opened",
      );
    }
    this.#keepAlive.noteData();
    const stream = this.#streams.get(frame.streamId);
    // Data may still arrive after this side has ended the stream.
    if (!stream) return;
    this.#throttle.add(frame.bytes.length);
    stream.receive(frame.bytes);
    if (frame.fin) stream.receiveFin();
  }

  #handleSynStream(
    frame: { streamId: number; fin: boolean; headers: SpdyHeaders },
  ): void {
    const { streamId, headers } = frame;
    if (streamId % 2 === 0 || streamId <= this.#lastStreamId) {
      throw new AranyaError(
        "invalid",
        `Cannot open SPDY stream ${streamId}: expected an odd id above ${this.#lastStreamId}`,
      );
    }
    this.#lastStreamId = streamId;
    if (this.#streams.size >= (this.#options.maxStreams ?? MAX_STREAMS)) {
      return this.#resetStream(streamId, RST_STATUS.refusedStream);
    }
    const stream = new BufferedSpdyStream({
      id: streamId,
      headers,
      host: this,
    });
    this.#streams.set(streamId, stream);
    this.#sendControl({
      type: "syn_reply",
      streamId,
      fin: false,
      block: this.#headerWriter.write({}),
    });
    if (frame.fin) stream.receiveFin();
    if (this.#options.onStream(stream) === "refuse") stream.reset();
  }

  #resetStream(streamId: number, status: number): void {
    this.#sendControl({ type: "rst_stream", streamId, status });
  }

  /** Sends a control frame; disconnects a client that doesn't read them. */
  #sendControl(frame: EncodableFrame): void {
    if (this.#state !== "open" || this.#writer.writeControl(frame)) return;
    this.#socket.destroy();
    this.#setClosed();
  }

  #startClosing(status: number, reason: AranyaError): void {
    if (this.#state !== "open") return;
    this.#sendControl({
      type: "goaway",
      lastStreamId: this.#lastStreamId,
      status,
    });
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#release(reason);
    // The kernel answers unread bytes at close with a TCP reset, which may overtake the last bytes.
    resumeReading(this.#socket);
    this.#socket.end();
    const timer = setTimeout(() => {
      this.#socket.destroy();
      this.#setClosed();
    }, CLOSE_TIMEOUT_MS);
    void this.#closed.promise.then(() => clearTimeout(timer));
  }

  #setClosed(cause?: Error): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#release(
      new AranyaError(
        "cancelled",
        "Cannot use stream: the client closed the connection",
        { cause },
      ),
    );
    this.#socket.destroy();
    this.#closed.resolve();
  }

  /** Fails all streams and ends all waits. */
  #release(reason: AranyaError): void {
    this.#keepAlive[Symbol.dispose]();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
    for (const stream of [...this.#streams.values()]) stream.fail(reason);
    this.#writer.releaseWriters();
  }
}

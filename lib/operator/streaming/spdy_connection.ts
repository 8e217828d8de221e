// SPDX-License-Identifier: Apache-2.0
/**
 * The server's end of a SPDY/3.1 connection on a socket that was upgraded.
 *
 * States: `open` → `closing` (GOAWAY is sent, our half of the socket is shut, what the peer still sends is thrown away) → `gone`.
 * The Go side sends no WINDOW_UPDATE and expects none, so flow control is TCP's: when more than `MAX_UNREAD_BYTES` wait for their readers
 * the socket is not read. One slow stream thereby holds up its own connection's others, as it does at a kubelet.
 */
import type { Socket } from "node:net";
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import {
  type EncodableFrame,
  encodeDataHeader,
  encodeFrame,
  GOAWAY_STATUS,
  RST_STATUS,
  type SpdyFrame,
} from "./spdy_frames.ts";
import { createHeaderWriter, type SpdyHeaders } from "./spdy_headers.ts";
import { pauseReading, resumeReading } from "./socket_flow.ts";
import { createFrameReader } from "./spdy_reader.ts";
import { HeldStream, type SpdyStream, type StreamHost } from "./spdy_stream.ts";

/** Options of {@linkcode serveSpdy}. */
export interface ServeSpdyOptions {
  /** What came with the upgrade's request already. */
  head?: Uint8Array;
  /** Told of each stream that the client opens. Returning "refuse" resets it. Must not throw. */
  onStream(stream: SpdyStream): "refuse" | void;
  /** How often a PING asks whether the client is still there while its socket is not read, in milliseconds; else every sixth time. @default 5000 */
  pingIntervalMs?: number;
  /** No data either way for so long ends the connection, in milliseconds. @default 4 h, as a kubelet does */
  idleTimeoutMs?: number;
  /** Streams open at the same time. @default 1000 */
  maxStreams?: number;
}

/** See {@linkcode serveSpdy}. */
export interface SpdyConnection {
  /** Aborted when the client has left, or broke the protocol, or `close` was called. Its reason is an AranyaError. */
  readonly signal: AbortSignal;
  /** Ends it: what was written is flushed before the socket closes. Resolves when that is done, within seconds. May be called twice. */
  close(options?: { status?: number }): Promise<void>;
}

const MAX_UNREAD_BYTES = 1024 * 1024;
const RESUME_UNREAD_BYTES = MAX_UNREAD_BYTES / 2;
const MAX_DATA_BYTES = 64 * 1024;
const MAX_UNSENT_CONTROL_BYTES = 256 * 1024;
const PING_EVERY_TICKS = 6;
const CLOSE_TIMEOUT_MS = 3_000;
const IDLE_TIMEOUT_MS = 4 * 60 * 60 * 1000;

/** Serves SPDY on a socket; it belongs to the connection from now on. */
export function serveSpdy(
  socket: Socket,
  options: ServeSpdyOptions,
): SpdyConnection {
  return new Connection(socket, options);
}

class Connection implements SpdyConnection, StreamHost {
  readonly #socket: Socket;
  readonly #options: ServeSpdyOptions;
  readonly #reader = createFrameReader();
  readonly #headerWriter = createHeaderWriter();
  readonly #streams = new Map<number, HeldStream>();
  readonly #controller = new AbortController();
  readonly #gone = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setInterval>;
  #state: "open" | "closing" | "gone" = "open";
  #lastStreamId = 0;
  #unread = 0;
  #paused = false;
  #unsentControl = 0;
  #nextPingId = 2;
  #ticks = 1;
  #lastDataMs = performance.now();
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(socket: Socket, options: ServeSpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#timer = setInterval(
      () => this.#checkPeer(),
      options.pingIntervalMs ?? 5_000,
    );
    socket.setNoDelay();
    socket.on("error", (error) => this.#leave(error));
    socket.on("end", () => this.#leave());
    socket.on("close", () => this.#leave());
    socket.on("drain", () => this.#wakeWriters());
    // No encoding is set, so these are bytes.
    socket.on("data", (chunk) => this.#receive(chunk as Uint8Array));
    // Later, so that `onStream` is not called before its owner holds the connection.
    queueMicrotask(() => this.#receive(options.head ?? new Uint8Array()));
    if (socket.destroyed) this.#leave();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  close(
    { status = GOAWAY_STATUS.ok }: { status?: number } = {},
  ): Promise<void> {
    this.#shut(
      status,
      new AranyaError("cancelled", "Cannot use stream: its connection ended"),
    );
    return this.#gone.promise;
  }

  async send(
    streamId: number,
    { bytes, fin }: { bytes: Uint8Array; fin: boolean },
  ): Promise<void> {
    for (let at = 0; at === 0 || at < bytes.length; at += MAX_DATA_BYTES) {
      if (this.#state !== "open") throw this.#controller.signal.reason;
      const piece = bytes.subarray(at, at + MAX_DATA_BYTES);
      this.#lastDataMs = performance.now();
      const room = this.#write({
        streamId,
        fin: fin && at + MAX_DATA_BYTES >= bytes.length,
        bytes: piece,
      });
      if (!room) {
        this.#drained ??= Promise.withResolvers<void>();
        await this.#drained.promise;
      }
    }
    if (this.#state !== "open") throw this.#controller.signal.reason;
  }

  /** Header and bytes in one write, but without a copy of the bytes. */
  #write(
    data: { streamId: number; fin: boolean; bytes: Uint8Array },
  ): boolean {
    const header = encodeDataHeader(data);
    if (data.bytes.length === 0) return this.#socket.write(header);
    this.#socket.cork();
    this.#socket.write(header);
    const room = this.#socket.write(data.bytes);
    this.#socket.uncork();
    return room;
  }

  sendReset(streamId: number): void {
    this.#reset(streamId, RST_STATUS.cancel);
  }

  consumed(bytes: number): void {
    this.#unread -= bytes;
    if (!this.#paused || this.#unread > RESUME_UNREAD_BYTES) return;
    this.#paused = false;
    resumeReading(this.#socket);
  }

  gone(streamId: number): void {
    this.#streams.delete(streamId);
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
        this.#handle(frame);
      }
    } catch (error) {
      this.#shut(
        GOAWAY_STATUS.protocolError,
        asAranyaError(error, "Cannot read SPDY connection"),
      );
      return;
    }
    if (this.#state === "open" && this.#unread > MAX_UNREAD_BYTES) {
      this.#paused = true;
      pauseReading(this.#socket);
    }
  }

  #handle(frame: SpdyFrame): void {
    switch (frame.type) {
      case "data":
        return this.#handleData(frame);
      case "syn_stream":
        return this.#open(frame);
      case "headers":
        if (frame.fin) this.#streams.get(frame.streamId)?.takeEnd();
        return;
      case "rst_stream":
        this.#streams.get(frame.streamId)?.fail(
          new AranyaError(
            "cancelled",
            `Cannot read stream: the client has reset it with status ${frame.status}`,
          ),
        );
        return;
      case "ping":
        // Odd ids are the client's: it wants them back. Even ones answer ours.
        if (frame.id % 2 === 1) this.#control({ type: "ping", id: frame.id });
        return;
      case "syn_reply":
        throw new AranyaError(
          "invalid",
          "Cannot read SPDY frame: a reply to a stream that was never opened",
        );
      case "goaway": // The client opens no more streams; those open go on until it closes.
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
    this.#lastDataMs = performance.now();
    const stream = this.#streams.get(frame.streamId);
    // A stream that we have ended may still have data on its way.
    if (!stream) return;
    this.#unread += frame.bytes.length;
    stream.take(frame.bytes);
    if (frame.fin) stream.takeEnd();
  }

  #open(
    frame: { streamId: number; fin: boolean; headers: SpdyHeaders },
  ): void {
    const { streamId, headers } = frame;
    if (streamId % 2 === 0 || streamId <= this.#lastStreamId) {
      throw new AranyaError(
        "invalid",
        `Cannot open SPDY stream ${streamId}: client's ids are odd and rise`,
      );
    }
    this.#lastStreamId = streamId;
    if (this.#streams.size >= (this.#options.maxStreams ?? 1000)) {
      return this.#reset(streamId, RST_STATUS.refusedStream);
    }
    const stream = new HeldStream({ id: streamId, headers, host: this });
    this.#streams.set(streamId, stream);
    this.#control({
      type: "syn_reply",
      streamId,
      fin: false,
      block: this.#headerWriter.write({}),
    });
    if (frame.fin) stream.takeEnd();
    if (this.#options.onStream(stream) === "refuse") stream.reset();
  }

  #reset(streamId: number, status: number): void {
    this.#control({ type: "rst_stream", streamId, status });
  }

  /** Control frames answer the client's own; one that asks without reading the answers is cut off. */
  #control(frame: EncodableFrame): void {
    if (this.#state !== "open") return;
    const bytes = encodeFrame(frame);
    this.#unsentControl += bytes.length;
    if (this.#unsentControl > MAX_UNSENT_CONTROL_BYTES) {
      this.#socket.destroy();
      return this.#leave();
    }
    this.#socket.write(bytes, () => this.#unsentControl -= bytes.length);
  }

  /** A write is what tells that a client has gone while its socket is not being read. */
  #checkPeer(): void {
    const idleMs = performance.now() - this.#lastDataMs;
    if (idleMs > (this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS)) {
      void this.close();
      return;
    }
    if (!this.#paused && this.#ticks++ % PING_EVERY_TICKS !== 0) return;
    this.#control({ type: "ping", id: this.#nextPingId });
    this.#nextPingId = this.#nextPingId % 0x7fff_fffe + 2;
  }

  #shut(status: number, reason: AranyaError): void {
    if (this.#state !== "open") return;
    this.#control({
      type: "goaway",
      lastStreamId: this.#lastStreamId,
      status,
    });
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#end(reason);
    // Bytes left unread at close would make the kernel send a reset, which may overtake our last bytes at the client.
    resumeReading(this.#socket);
    this.#socket.end();
    const timer = setTimeout(() => {
      this.#socket.destroy();
      this.#leave();
    }, CLOSE_TIMEOUT_MS);
    void this.#gone.promise.then(() => clearTimeout(timer));
  }

  /** The socket is of no more use. */
  #leave(cause?: Error): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#end(
      new AranyaError(
        "cancelled",
        "Cannot use stream: the client has left",
        { cause },
      ),
    );
    this.#socket.destroy();
    this.#gone.resolve();
  }

  #end(reason: AranyaError): void {
    clearInterval(this.#timer);
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
    for (const stream of [...this.#streams.values()]) stream.fail(reason);
    this.#wakeWriters();
  }

  #wakeWriters(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.resolve();
  }
}

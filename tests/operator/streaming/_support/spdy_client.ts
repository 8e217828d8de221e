// SPDX-License-Identifier: Apache-2.0
/** A SPDY client that a test scripts, and a pair of connected sockets for it. */
import { connect, createServer, type Socket } from "node:net";
import {
  AranyaError,
  concatBytes,
  fromUtf8,
} from "../../../../lib/shared/base/mod.ts";
import {
  encodeFrame,
  type SpdyFrame,
} from "../../../../lib/operator/streaming/spdy_frames.ts";
import { SpdyHeaderWriter } from "../../../../lib/operator/streaming/spdy_headers.ts";
import { SpdyFrameReader } from "../../../../lib/operator/streaming/spdy_reader.ts";

/** Both ends of a TCP connection over loopback. Disposing destroys them. */
export interface SocketPair extends AsyncDisposable {
  server: Socket;
  client: Socket;
}

/** Opens a connection over loopback. */
export async function openSocketPair(): Promise<SocketPair> {
  const listener = createServer({ allowHalfOpen: true });
  const accepted = new Promise<Socket>((resolve) =>
    listener.once("connection", resolve)
  );
  await new Promise<void>((resolve) =>
    listener.listen(0, "127.0.0.1", resolve)
  );
  const address = listener.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const server = await accepted;
  for (const socket of [client, server]) socket.on("error", () => {});
  const stopped = new Promise<void>((resolve) =>
    listener.close(() => resolve())
  );
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [client, server].map((socket) =>
          new Promise<void>((resolve) => {
            if (socket.closed) return resolve();
            socket.once("close", () => resolve());
            socket.destroy();
          })
        ),
      );
      await stopped;
    },
  };
}

/** The client's end of a connection: sends what the test asks for, records what it receives. */
export class SpdyClient {
  /** All frames that were received. */
  readonly frames: SpdyFrame[] = [];
  /** Whether the server has ended the TCP connection. */
  ended = false;
  readonly #socket: Socket;
  readonly #writer = new SpdyHeaderWriter();
  readonly #waiters = new Set<() => void>();
  #nextId = 1;

  constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new SpdyFrameReader();
    socket.on("data", (chunk) => {
      reader.push(chunk as Uint8Array);
      for (let frame = reader.next(); frame; frame = reader.next()) {
        this.frames.push(frame);
      }
      this.#notify();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        this.#notify();
      });
    }
  }

  /** Opens a stream and returns its id. */
  open(headers: Record<string, string>): number {
    const streamId = this.#nextId;
    this.#nextId += 2;
    this.#socket.write(encodeFrame({
      type: "syn_stream",
      streamId,
      associatedId: 0,
      priority: 0,
      fin: false,
      unidirectional: false,
      block: this.#writer.write(headers),
    }));
    return streamId;
  }

  /** Sends a data frame with text or bytes. */
  data(
    streamId: number,
    bytes: string | Uint8Array,
    { fin = false }: { fin?: boolean } = {},
  ): void {
    const data = typeof bytes === "string"
      ? new TextEncoder().encode(bytes)
      : bytes;
    this.#socket.write(
      encodeFrame({ type: "data", streamId, fin, bytes: data }),
    );
  }

  /** Resets a stream. */
  reset(streamId: number): void {
    this.#socket.write(
      encodeFrame({ type: "rst_stream", streamId, status: 5 }),
    );
  }

  /** Sends bytes that may be no frames. */
  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Returns the data that was received on a stream, as text. */
  textOf(streamId: number): string {
    return fromUtf8(
      concatBytes(this.#dataOf(streamId).map((one) => one.bytes)),
    );
  }

  /** Returns how many bytes were received on a stream. */
  bytesOf(streamId: number): number {
    return this.#dataOf(streamId).reduce(
      (sum, { bytes }) => sum + bytes.length,
      0,
    );
  }

  /** Returns whether the server has sent FIN on a stream. */
  hasEnded(streamId: number): boolean {
    return this.#dataOf(streamId).some((one) => one.fin);
  }

  /** Returns whether the server has reset a stream. */
  wasReset(streamId: number): boolean {
    return this.frames.some((frame) =>
      frame.type === "rst_stream" && frame.streamId === streamId
    );
  }

  /**
   * Resolves once the condition holds, which is checked after each event of the socket.
   * @throws {AranyaError} code "timed_out" after 30 s
   */
  async until(
    condition: () => boolean,
    what = "the expected frames",
  ): Promise<void> {
    const deadlineMs = performance.now() + 30_000;
    while (!condition()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) {
        throw new AranyaError(
          "timed_out",
          `Cannot find ${what}: the last frames are ${
            Deno.inspect(this.frames.slice(-5))
          }`,
        );
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      const timer = setTimeout(resolve, leftMs);
      await promise;
      clearTimeout(timer);
      this.#waiters.delete(resolve);
    }
  }

  #dataOf(streamId: number) {
    return this.frames.flatMap((frame) =>
      frame.type === "data" && frame.streamId === streamId ? [frame] : []
    );
  }

  #notify(): void {
    for (const resolve of this.#waiters) resolve();
  }
}

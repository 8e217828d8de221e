// SPDX-License-Identifier: Apache-2.0
/** The client's end of a SPDY connection, scripted by a test, and a pair of sockets to have one on. */
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
import { createHeaderWriter } from "../../../../lib/operator/streaming/spdy_headers.ts";
import { createFrameReader } from "../../../../lib/operator/streaming/spdy_reader.ts";

/** Two ends of one TCP connection over loopback; both are destroyed at the end. */
export interface SocketPair extends AsyncDisposable {
  server: Socket;
  client: Socket;
}

/** Makes a pair of sockets. */
export async function makeSocketPair(): Promise<SocketPair> {
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

/** A scripted client. */
export class SpdyClient {
  /** Every frame that has come. */
  readonly frames: SpdyFrame[] = [];
  /** Whether the server has shut its half. */
  ended = false;
  readonly #socket: Socket;
  readonly #writer = createHeaderWriter();
  readonly #waiters = new Set<() => void>();
  #nextId = 1;

  constructor(socket: Socket) {
    this.#socket = socket;
    const reader = createFrameReader();
    socket.on("data", (chunk) => {
      reader.push(chunk as Uint8Array);
      for (let frame = reader.next(); frame; frame = reader.next()) {
        this.frames.push(frame);
      }
      this.#wake();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        this.#wake();
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

  /** Sends data, text or bytes, with or without FIN. */
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

  /** Sends raw bytes. */
  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** What has come on a stream, as text. */
  textOf(streamId: number): string {
    return fromUtf8(
      concatBytes(this.#dataOf(streamId).map((one) => one.bytes)),
    );
  }

  /** How many bytes have come on a stream. */
  bytesOf(streamId: number): number {
    return this.#dataOf(streamId).reduce(
      (sum, { bytes }) => sum + bytes.length,
      0,
    );
  }

  /** Whether the server has sent FIN on a stream. */
  hasEnded(streamId: number): boolean {
    return this.#dataOf(streamId).some((one) => one.fin);
  }

  /** Whether the server has reset a stream. */
  wasReset(streamId: number): boolean {
    return this.frames.some((frame) =>
      frame.type === "rst_stream" && frame.streamId === streamId
    );
  }

  /** Waits until this holds; looked at after whatever comes. @throws {AranyaError} "timed_out" after 5 s */
  async until(holds: () => boolean, what = "what was expected"): Promise<void> {
    const deadlineMs = performance.now() + 5_000;
    while (!holds()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) {
        throw new AranyaError(
          "timed_out",
          `Cannot find ${what}: there is ${
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

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

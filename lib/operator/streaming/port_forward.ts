// SPDX-License-Identifier: Apache-2.0
/**
 * The server's side of `portforward.k8s.io` over SPDY. Each TCP connection is a pair of streams of one `requestID`: "error" first, which
 * carries text only upon failure, and "data". Connections come and go while the SPDY connection stays; one that fails hurts no other.
 */
import type { Socket } from "node:net";
import { asAranyaError, utf8 } from "../../shared/base/mod.ts";
import type { ForwardedPort } from "../../shared/exec/mod.ts";
import { serveSpdy } from "./spdy_connection.ts";
import type { SpdyStream } from "./spdy_stream.ts";

/** Options of {@linkcode servePortForward}. */
export interface ServePortForwardOptions {
  /** What came with the upgrade's request already. */
  head?: Uint8Array;
  /** Carries one connection until both directions have ended. An error's message is told to the client. */
  connect(connection: ForwardedPort): Promise<void>;
  /** What comes before an error's text, e.g. `error forwarding port 80 to pod …`. */
  describe(port: number): string;
  /** Ends every connection. */
  signal?: AbortSignal;
  /** How long the second stream of a pair may take, in milliseconds. @default 30000 */
  pairTimeoutMs?: number;
}

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  timer?: ReturnType<typeof setTimeout>;
}

const MAX_PORT = 65_535;

/** Serves port-forwarding on a socket that was upgraded. Resolves when the connection has ended; never rejects. */
export async function servePortForward(
  socket: Socket,
  options: ServePortForwardOptions,
): Promise<void> {
  const pairs = new Map<string, Pair>();
  const ended = Promise.withResolvers<void>();
  const connection = serveSpdy(socket, {
    ...(options.head && { head: options.head }),
    onStream(stream) {
      const kind = kindOf(stream);
      if (!kind || portOf(stream) === undefined) return "refuse";
      const id = requestIdOf(stream, kind);
      const pair = pairs.get(id) ?? {};
      if (pair[kind]) return "refuse";
      pair[kind] = stream;
      clearTimeout(pair.timer);
      const { error, data } = pair;
      if (error && data) {
        pairs.delete(id);
        void forward({ error, data }, options);
        return;
      }
      pairs.set(id, pair);
      pair.timer = setTimeout(() => {
        pairs.delete(id);
        expirePair(pair, id);
      }, options.pairTimeoutMs ?? 30_000);
    },
  });
  const onStop = () => void connection.close();
  connection.signal.addEventListener("abort", () => ended.resolve());
  options.signal?.addEventListener("abort", onStop, { once: true });
  if (options.signal?.aborted) onStop();
  await ended.promise;
  options.signal?.removeEventListener("abort", onStop);
  for (const pair of pairs.values()) clearTimeout(pair.timer);
  await connection.close();
}

/** Runs one connection and ends both its streams. */
async function forward(
  { error, data }: { error: SpdyStream; data: SpdyStream },
  options: ServePortForwardOptions,
): Promise<void> {
  const port = portOf(data) ?? 0;
  let outputEnded = false;
  try {
    await options.connect({
      port,
      input: readInput(data, { isDone: () => outputEnded }),
      output: (chunk) => data.write(chunk),
      endOutput: () => {
        outputEnded = true;
        return Promise.resolve(data.end());
      },
      signal: data.signal,
    });
    data.end();
    error.end();
    dropRest(data);
  } catch (cause) {
    const { message } = asAranyaError(cause, "Cannot forward port");
    // A client that has reset the connection itself takes any text for a failure of the whole.
    if (!data.signal.aborted) {
      await sayLast(error, `${options.describe(port)}: ${message}`);
    }
    error.end();
    data.reset();
  }
  dropRest(error);
}

/** kubectl resets the data stream when it has read our end: that is its own end, not a failure. */
async function* readInput(
  data: SpdyStream,
  { isDone }: { isDone: () => boolean },
): AsyncGenerator<Uint8Array> {
  try {
    yield* data.readable;
  } catch (error) {
    if (!isDone()) throw error;
  }
}

async function sayLast(stream: SpdyStream, text: string): Promise<void> {
  try {
    await stream.write(utf8(text));
  } catch {
    // The client has left: nobody is there to be told.
  }
}

function expirePair(pair: Pair, id: string): void {
  pair.data?.reset();
  if (!pair.error) return;
  const text = `error forwarding request ${id}: timed out waiting for streams`;
  // The FIN follows the text in the same queue.
  void sayLast(pair.error, text);
  pair.error.end();
  dropRest(pair.error);
}

/** What the client still sends has nowhere to go. */
function dropRest(stream: SpdyStream): void {
  void stream.readable[Symbol.asyncIterator]().return?.();
}

function kindOf(stream: SpdyStream): "error" | "data" | undefined {
  const kind = stream.headers["streamtype"];
  return kind === "error" || kind === "data" ? kind : undefined;
}

function portOf(stream: SpdyStream): number | undefined {
  const text = stream.headers["port"] ?? "";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= MAX_PORT ? port : undefined;
}

/** Old clients send no id; their error stream comes first and the data stream next, with the odd number after it. */
function requestIdOf(stream: SpdyStream, kind: "error" | "data"): string {
  const id = stream.headers["requestid"];
  if (id) return `id ${id}`;
  return String(kind === "error" ? stream.id : stream.id - 2);
}

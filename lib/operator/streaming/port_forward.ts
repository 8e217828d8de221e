// SPDX-License-Identifier: Apache-2.0
/** The server's side of the protocol `portforward.k8s.io` over SPDY. */
import type { Socket } from "node:net";
import {
  asAranyaError,
  defined,
  onAbort,
  utf8,
  whenAborted,
} from "../../shared/base/mod.ts";
import type { ForwardedPort } from "../../shared/exec/mod.ts";
import { serveSpdy } from "./spdy_connection.ts";
import type { SpdyStream } from "./spdy_stream.ts";

/** Options of {@linkcode servePortForward}. */
export interface ServePortForwardOptions {
  /** Bytes that arrived together with the upgrade request. */
  head?: Uint8Array;
  /**
   * Carries one TCP connection until both directions have ended. An error is sent to the client.
   */
  connect(connection: ForwardedPort): Promise<void>;
  /** Returns the text in front of an error, e.g. `error forwarding port 80 to pod …`. */
  errorPrefix(port: number): string;
  /** Ends all connections. */
  signal?: AbortSignal;
  /** How long the second stream of a pair may take, in milliseconds. @default 30000 */
  pairTimeoutMs?: number;
}

type StreamKind = "error" | "data";

/** The two streams of one TCP connection. */
interface StreamPair {
  error: SpdyStream;
  data: SpdyStream;
}

const PAIR_TIMEOUT_MS = 30_000;
const MAX_PORT = 65_535;

/**
 * Serves port-forwarding on an upgraded socket. Each TCP connection is a pair of streams with the
 * same `requestID`: "error", which carries text only upon failure, and "data". A connection that
 * fails doesn't affect the others.
 *
 * Resolves when the SPDY connection has ended; never rejects.
 */
export async function servePortForward(
  socket: Socket,
  options: ServePortForwardOptions,
): Promise<void> {
  using pairs = new StreamPairs({
    timeoutMs: options.pairTimeoutMs ?? PAIR_TIMEOUT_MS,
    onPair: (pair) => void forwardConnection(pair, options),
  });
  const connection = serveSpdy(socket, {
    ...defined({ head: options.head }),
    onStream: (stream) => pairs.add(stream) ? undefined : "refuse",
  });
  using _listener = onAbort(options.signal, () => void connection.close());
  await whenAborted(connection.signal);
  await connection.close();
}

/** Brings together the two streams of each TCP connection, in either order. */
class StreamPairs implements Disposable {
  readonly #timeoutMs: number;
  readonly #onPair: (pair: StreamPair) => void;
  readonly #incomplete = new Map<
    string,
    Partial<StreamPair> & { timer?: ReturnType<typeof setTimeout> }
  >();

  constructor(
    options: { timeoutMs: number; onPair: (pair: StreamPair) => void },
  ) {
    this.#timeoutMs = options.timeoutMs;
    this.#onPair = options.onPair;
  }

  /** Returns false for a stream with invalid headers, and for a second one of its kind. */
  add(stream: SpdyStream): boolean {
    const kind = kindOf(stream);
    if (!kind || portOf(stream) === undefined) return false;
    const id = requestIdOf(stream, kind);
    const pair = this.#incomplete.get(id) ?? {};
    if (pair[kind]) return false;
    pair[kind] = stream;
    clearTimeout(pair.timer);
    const { error, data } = pair;
    if (error && data) {
      this.#incomplete.delete(id);
      this.#onPair({ error, data });
    } else {
      this.#incomplete.set(id, pair);
      pair.timer = setTimeout(() => {
        this.#incomplete.delete(id);
        refusePair(pair, id);
      }, this.#timeoutMs);
    }
    return true;
  }

  /** Stops waiting for second streams. */
  [Symbol.dispose](): void {
    for (const { timer } of this.#incomplete.values()) clearTimeout(timer);
  }
}

/** Runs one connection and ends both its streams. */
async function forwardConnection(
  { error, data }: StreamPair,
  options: ServePortForwardOptions,
): Promise<void> {
  const port = portOf(data) ?? 0;
  let isOutputEnded = false;
  try {
    await options.connect({
      port,
      input: readInput(data, { isDone: () => isOutputEnded }),
      output: (chunk) => data.write(chunk),
      endOutput: () => {
        isOutputEnded = true;
        return Promise.resolve(data.end());
      },
      signal: data.signal,
    });
    data.end();
    error.end();
    dropInput(data);
  } catch (cause) {
    const { message } = asAranyaError(cause, "Cannot forward port");
    // To a client that reset the connection itself, a text would mean that forwarding as a whole
    // failed.
    if (!data.signal.aborted) {
      await writeText(error, `${options.errorPrefix(port)}: ${message}`);
    }
    error.end();
    data.reset();
  }
  dropInput(error);
}

/**
 * Yields the client's bytes. After the output has ended, a reset is an ordinary end: kubectl resets
 * the data stream once it has read all.
 */
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

async function writeText(stream: SpdyStream, text: string): Promise<void> {
  try {
    await stream.write(utf8(text));
  } catch {
    // The client has closed the connection: there is no one to send it to.
  }
}

function refusePair(pair: Partial<StreamPair>, id: string): void {
  pair.data?.reset();
  if (!pair.error) return;
  const text = `error forwarding request ${id}: timed out waiting for streams`;
  // Not awaited: the FIN is queued after the text.
  void writeText(pair.error, text);
  pair.error.end();
  dropInput(pair.error);
}

/** Drops everything that the client sends on this stream. */
function dropInput(stream: SpdyStream): void {
  void stream.readable[Symbol.asyncIterator]().return?.();
}

function kindOf(stream: SpdyStream): StreamKind | undefined {
  const kind = stream.headers["streamtype"];
  return kind === "error" || kind === "data" ? kind : undefined;
}

function portOf(stream: SpdyStream): number | undefined {
  const text = stream.headers["port"] ?? "";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= MAX_PORT ? port : undefined;
}

/**
 * Returns the key of a pair. Old clients send no id: they open the error stream first, and the data
 * stream with the next odd number after it.
 */
function requestIdOf(stream: SpdyStream, kind: StreamKind): string {
  const id = stream.headers["requestid"];
  if (id) return `id ${id}`;
  return String(kind === "error" ? stream.id : stream.id - 2);
}

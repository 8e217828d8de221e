// SPDX-License-Identifier: Apache-2.0
/** The event stream of a watch: one JSON object per line. */
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  onAbort,
} from "../../shared/base/mod.ts";
import type { WatchEvent } from "./api.ts";
import { toCallError, toKubeError } from "./kube_error.ts";
import type { KubeObject } from "./objects.ts";
import type { HttpReply, Transport } from "./transport.ts";

/** Options of {@linkcode readWatch}. */
export interface ReadWatchOptions {
  /** Path with query. */
  path: string;
  /** `watch <resource>`, for the error's text. */
  action: string;
  /** The watch fails when no byte arrives for this long, in milliseconds. */
  idleTimeoutMs: number;
  /** Ends the watch. */
  signal: AbortSignal;
}

const NEWLINE = 10;
/** How much of an error reply is read. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Opens a watch and yields its events until the API server ends it. An event of type "ERROR" is
 * yielded, not thrown.
 * @throws {AranyaError} as `KubeClient` does, "timed_out" when no byte arrives for `idleTimeoutMs`,
 * "unavailable" when the connection breaks or a line isn't JSON; or the signal's reason
 */
export async function* readWatch<T extends KubeObject>(
  transport: Transport,
  options: ReadWatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { action, idleTimeoutMs, signal } = options;
  const controller = new AbortController();
  using _listener = onAbort(signal, (reason) => controller.abort(reason));
  using idleTimer = new IdleTimer(idleTimeoutMs, () => {
    const state = `no data for ${idleTimeoutMs} ms`;
    controller.abort(
      new AranyaError("timed_out", `Cannot ${action}: ${state}`),
    );
  });
  let reply: HttpReply | undefined;
  try {
    reply = await transport.send({
      method: "GET",
      path: options.path,
      headers: { accept: "application/json" },
      pool: "watches",
      signal: controller.signal,
    });
    if (reply.status !== 200) {
      throw await toReplyError(reply, { action, transport });
    }
    for await (const line of readLines(reply.body, () => idleTimer.restart())) {
      yield parseEvent<T>(line, action);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw toCallError(error, action);
  } finally {
    reply?.destroy();
  }
}

/** Calls a function once nothing restarted the timer for a time. It runs from its creation. */
class IdleTimer implements Disposable {
  readonly #timeoutMs: number;
  readonly #onIdle: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number, onIdle: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
    this.restart();
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onIdle, this.#timeoutMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/**
 * Yields the lines of a byte stream without their newlines. Empty lines, and a last line without
 * newline, are left out.
 * @param onChunk is called for each chunk, before its lines are yielded
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  onChunk: () => void = () => {},
): AsyncGenerator<string> {
  /** The start of a line that isn't complete yet. */
  let parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    onChunk();
    let start = 0;
    for (
      let end = chunk.indexOf(NEWLINE);
      end >= 0;
      end = chunk.indexOf(NEWLINE, start)
    ) {
      parts.push(chunk.subarray(start, end));
      const line = fromUtf8(concatBytes(parts));
      parts = [];
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
}

function parseEvent<T extends KubeObject>(
  line: string,
  action: string,
): WatchEvent<T> {
  let event: { type?: unknown; object?: unknown };
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new AranyaError(
      "unavailable",
      `Cannot ${action}: the API server sent a line that isn't JSON`,
      { cause: error },
    );
  }
  if (event.type === "ERROR") {
    const status = event.object as { code?: number; message?: string };
    return {
      type: "ERROR",
      code: status?.code ?? 500,
      message: status?.message ?? "",
    };
  }
  return event as WatchEvent<T>;
}

async function toReplyError(
  reply: HttpReply,
  { action, transport }: { action: string; transport: Transport },
): Promise<AranyaError> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of reply.body) {
    parts.push(part);
    size += part.length;
    if (size > MAX_ERROR_BYTES) break;
  }
  // The caller opens the watch again, then with new credentials.
  if (reply.status === 401) await transport.reload(reply.credentials);
  return toKubeError({
    status: reply.status,
    body: fromUtf8(concatBytes(parts)),
    action,
  });
}

// SPDX-License-Identifier: Apache-2.0
/** One call or watch: sent, calls repeated while the server asks for it, and refusals turned into our errors. */
import {
  AranyaError,
  asAranyaError,
  concatBytes,
  type ErrorCode,
  fromUtf8,
  type Logger,
  type Meter,
  SYSTEM_CLOCK,
  withDeadline,
} from "../../shared/base/mod.ts";
import type { CallOptions, RawCall, WatchEvent } from "./api.ts";
import type { KubeObject } from "./objects.ts";
import type { HttpReply, Lane, Transport } from "./transport.ts";

/** Time of a call when none is given, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_RETRIES = 6;
const MAX_RETRY_AFTER_MS = 10_000;

/** What is sent. */
export interface Call extends CallOptions {
  method: RawCall["method"];
  /** Path with its query. */
  path: string;
  /** `<verb> <object>` */
  action: string;
  body?: unknown;
  contentType?: string | undefined;
  lane?: Lane;
}

/** Sends calls over a transport. */
export class Caller {
  readonly #transport: Transport;
  readonly #log: Logger;
  readonly #meter: Meter;

  constructor(transport: Transport, options: { log: Logger; meter: Meter }) {
    this.#transport = transport;
    this.#log = options.log;
    this.#meter = options.meter;
  }

  /** One call with its repetitions, all within its time. */
  async send(call: Call): Promise<unknown> {
    const startMs = performance.now();
    try {
      return await withDeadline((signal) => this.#repeat(call, signal), {
        timeoutMs: call.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        action: `Cannot ${call.action}`,
        signal: call.signal,
      });
    } catch (error) {
      throw name(error, call.action);
    } finally {
      this.#meter.time("kube_call", {
        ms: performance.now() - startMs,
        labels: { method: call.method },
      });
    }
  }

  async #repeat(call: Call, signal: AbortSignal): Promise<unknown> {
    for (let attempt = 1;; attempt++) {
      const { status, retryAfterMs, body } = await this.#once(call, signal);
      if (status >= 200 && status < 300) {
        return body === "" ? undefined : JSON.parse(body);
      }
      const failure = toKubeError({ status, body, action: call.action });
      if (attempt >= MAX_RETRIES) throw failure;
      if (status === 401 && await this.#transport.reload()) continue;
      const busy = status === 429 || (status >= 500 && retryAfterMs > 0);
      if (!busy) throw failure;
      this.#log.debug("API server asks to wait", {
        object: call.action,
        ms: retryAfterMs,
      });
      await SYSTEM_CLOCK.sleep(
        Math.max(200, retryAfterMs) * (1 + Math.random() / 4),
        { signal },
      );
    }
  }

  async #once(
    call: Call,
    signal: AbortSignal,
  ): Promise<{ status: number; retryAfterMs: number; body: string }> {
    const body = call.body === undefined
      ? undefined
      : JSON.stringify(call.body);
    const reply = await this.#transport.send({
      method: call.method,
      path: call.path,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : {
          "content-type": call.contentType ?? "application/json",
          "content-length": String(new TextEncoder().encode(body).length),
        }),
      },
      body,
      lane: call.lane ?? "normal",
      signal,
    });
    const parts: Uint8Array[] = [];
    for await (const part of reply.body) parts.push(part);
    const seconds = Number(reply.header("retry-after") ?? 0);
    return {
      status: reply.status,
      retryAfterMs: Number.isFinite(seconds)
        ? Math.min(MAX_RETRY_AFTER_MS, seconds * 1000)
        : 0,
      body: fromUtf8(concatBytes(parts)),
    };
  }
}

/** Says what was tried, where the transport could not know it. */
function name(error: unknown, action: string): AranyaError {
  if (error instanceof AranyaError) {
    if (error.message.startsWith("Cannot ")) return error;
    return new AranyaError(
      error.code,
      `Cannot ${action}: the API server can't be reached: ${error.message}`,
      { cause: error },
    );
  }
  return asAranyaError(error, `Cannot ${action}`);
}

/** metav1.Status, as far as it is read. */
interface Status {
  message?: string;
  reason?: string;
  details?: { retryAfterSeconds?: number };
}

const CODES: Record<number, ErrorCode> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  405: "unsupported",
  406: "unsupported",
  408: "timed_out",
  409: "conflict",
  410: "not_found",
  413: "too_large",
  415: "unsupported",
  422: "invalid",
  504: "timed_out",
};

/** What a failed call was about. */
export interface FailedCall {
  status: number;
  /** The reply's text. */
  body: string;
  /** `<verb> <object>` */
  action: string;
}

/** Makes the error. `details.status` is the HTTP status, `details.reason` the API server's own word. */
export function toKubeError(call: FailedCall): AranyaError {
  const status = parseStatus(call.body);
  const reason = status.reason ?? "";
  const code: ErrorCode = reason === "AlreadyExists"
    ? "already_exists"
    : CODES[call.status] ?? "unavailable";
  const state = status.message ?? `the API server answered ${call.status}`;
  const retryAfterSeconds = status.details?.retryAfterSeconds ?? 0;
  return new AranyaError(code, `Cannot ${call.action}: ${state}`, {
    details: { status: call.status, reason, retryAfterSeconds },
  });
}

/** Whether this is a list or watch that began too long ago and has to be made anew. */
export function isExpired(error: unknown): boolean {
  return error instanceof AranyaError && error.details?.status === 410;
}

function parseStatus(body: string): Status {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // Proxies and a starting API server answer with plain text.
    const line = body.trim().split("\n")[0]?.slice(0, 200) ?? "";
    return line === "" ? {} : { message: line };
  }
}

/** Options of {@linkcode readWatch}. */
export interface ReadWatchOptions {
  /** Path with its query. */
  path: string;
  /** `watch <resource>` */
  action: string;
  idleTimeoutMs: number;
  signal: AbortSignal;
}

const NEWLINE = 10;
const MAX_ERROR_BYTES = 64 * 1024;

/** Opens a watch and reads it. @throws {AranyaError} also "timed_out" after a silence of `idleTimeoutMs` */
export async function* readWatch<T extends KubeObject>(
  transport: Transport,
  options: ReadWatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { action, idleTimeoutMs } = options;
  const controller = new AbortController();
  const onAbort = () => controller.abort(options.signal.reason);
  if (options.signal.aborted) onAbort();
  else options.signal.addEventListener("abort", onAbort, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(
      () =>
        controller.abort(
          new AranyaError(
            "timed_out",
            `Cannot ${action}: nothing came for ${idleTimeoutMs} ms`,
          ),
        ),
      idleTimeoutMs,
    );
  };
  let reply: HttpReply | undefined;
  try {
    restart();
    reply = await transport.send({
      method: "GET",
      path: options.path,
      headers: { accept: "application/json" },
      lane: "watch",
      signal: controller.signal,
    });
    if (reply.status !== 200) {
      throw await toFailure(reply, { action, transport });
    }
    for await (const line of readLines(reply.body, restart)) {
      yield parseEvent<T>(line, action);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    throw name(error, action);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
    reply?.destroy();
  }
}

/** Lines of a byte stream, without their newlines; empty ones are left out. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  onChunk: () => void = () => {},
): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    onChunk();
    let from = 0;
    for (
      let at = chunk.indexOf(NEWLINE);
      at >= 0;
      at = chunk.indexOf(NEWLINE, from)
    ) {
      parts.push(chunk.subarray(from, at));
      const line = fromUtf8(concatBytes(parts));
      parts = [];
      from = at + 1;
      if (line !== "") yield line;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
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

async function toFailure(
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
  if (reply.status === 401) await transport.reload();
  return toKubeError({
    status: reply.status,
    body: fromUtf8(concatBytes(parts)),
    action,
  });
}

// SPDX-License-Identifier: Apache-2.0
/** /containerLogs: log bytes with back-pressure from the client. */
import { asAranyaError, type Logger } from "../../shared/base/mod.ts";
import { findContradiction, parseLogOptions } from "./call_options.ts";
import {
  type Answer,
  errorAnswer,
  type Response,
  send,
  textAnswer,
} from "./exchange.ts";
import type { PodTarget } from "../../shared/exec/mod.ts";
import type { KubeletHandlers } from "./handlers.ts";

/** Options of {@linkcode sendLog}. */
export interface SendLogOptions {
  target: PodTarget;
  query: URLSearchParams;
  /** Aborted when the client has left or the server closes. */
  signal: AbortSignal;
  context: { nodeName: string; handlers: KubeletHandlers; log: Logger };
}

/**
 * Sends a log. An error before its first byte becomes the HTTP status. A later one is written as
 * the last line and the connection is aborted, so that the log can't be taken for complete.
 * @throws {AranyaError} "invalid" for options that can't be parsed
 */
export async function sendLog(
  response: Response,
  { target, query, signal, context }: SendLogOptions,
): Promise<void> {
  const options = parseLogOptions(query, target);
  const contradiction = findContradiction(options);
  if (contradiction) {
    return send(
      response,
      textAnswer(422, `Cannot read log: ${contradiction}`),
    );
  }
  let chunks: AsyncIterable<Uint8Array>;
  try {
    chunks = await context.handlers.logs({ ...options, target }, signal);
  } catch (error) {
    return send(response, toShownAnswer(error));
  }
  response.writeHead(200, {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
  });
  // A followed log may be silent for long; the client should know that it is open.
  response.flushHeaders();
  try {
    for await (const chunk of chunks) {
      if (response.destroyed) break;
      if (!response.write(chunk)) await drained(response, signal);
    }
    response.end();
  } catch (cause) {
    // The stream is cancelled because the server closes: that reason is the one to report.
    const reason = signal.aborted ? signal.reason : cause;
    const error = asAranyaError(reason, "Cannot read log");
    context.log.debug("log ended early", {
      node: context.nodeName,
      pod: `${target.namespace}/${target.pod}`,
      error,
    });
    await writeAndAbort(response, error.message);
  }
}

/**
 * Returns an error's answer. The API server replaces the body of a 503 or 504, and the message
 * about an offline device would be lost; a kubelet answers 400 to every log that it can't open, so
 * these become 400.
 */
function toShownAnswer(cause: unknown): Answer {
  const error = asAranyaError(cause, "Cannot read log");
  const isLost = error.code === "unavailable" || error.code === "timed_out";
  return isLost ? textAnswer(400, error.message) : errorAnswer(error);
}

const ABORT_TIMEOUT_MS = 2_000;

function writeAndAbort(response: Response, message: string): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const abort = () => {
      clearTimeout(timer);
      response.destroy();
      resolve();
    };
    // Don't wait for a client that reads nothing.
    const timer = setTimeout(abort, ABORT_TIMEOUT_MS);
    response.write(`${message}\n`, abort);
  });
}

function drained(response: Response, signal: AbortSignal): Promise<void> {
  if (response.destroyed || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    response.on("drain", done);
    signal.addEventListener("abort", done);
  });
}

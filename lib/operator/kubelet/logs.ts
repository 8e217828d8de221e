// SPDX-License-Identifier: Apache-2.0
/** /containerLogs: bytes as they come, held back by a client that reads slowly. */
import { asAranyaError, type Logger } from "../../shared/base/mod.ts";
import { contradictionOf, parseLogOptions } from "./call_options.ts";
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
 * Sends a log. Before its first byte an error becomes an HTTP status; after that its sentence is the last line, and the connection is cut,
 * so that nobody takes what came for the whole.
 * @throws {AranyaError} "invalid" for options that can't be parsed
 */
export async function sendLog(
  response: Response,
  { target, query, signal, context }: SendLogOptions,
): Promise<void> {
  const options = parseLogOptions(query, target);
  const contradiction = contradictionOf(options);
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
  // A log that is followed may have nothing to say for long; the client is to know that it is there.
  response.flushHeaders();
  try {
    for await (const chunk of chunks) {
      if (response.destroyed) break;
      if (!response.write(chunk)) await drained(response, signal);
    }
    response.end();
  } catch (cause) {
    const error = asAranyaError(cause, "Cannot read log");
    context.log.debug("log ended early", {
      node: context.nodeName,
      pod: `${target.namespace}/${target.pod}`,
      error,
    });
    await sayAndCut(response, error.message);
  }
}

/**
 * The API server puts words of its own in the place of a 503's or 504's body, so a device that is offline would never be named. A kubelet
 * answers 400 to every log that it can't give; so do we, where the sentence would be lost.
 */
function toShownAnswer(cause: unknown): Answer {
  const error = asAranyaError(cause, "Cannot read log");
  const isLost = error.code === "unavailable" || error.code === "timed_out";
  return isLost ? textAnswer(400, error.message) : errorAnswer(error);
}

const CUT_TIMEOUT_MS = 2_000;

function sayAndCut(response: Response, message: string): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const cut = () => {
      clearTimeout(timer);
      response.destroy();
      resolve();
    };
    // A client that reads nothing is not waited for.
    const timer = setTimeout(cut, CUT_TIMEOUT_MS);
    response.write(`${message}\n`, cut);
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

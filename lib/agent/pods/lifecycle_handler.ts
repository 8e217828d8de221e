// SPDX-License-Identifier: Apache-2.0
/** Handlers of probes and lifecycle hooks: commands, HTTP requests, TCP connections and sleeps. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  abortable,
  AranyaError,
  type Clock,
  concatBytes,
  EMPTY_STREAM,
  formatEndpoint,
  fromUtf8,
  onAbort,
} from "../../shared/base/mod.ts";
import type { ContainerRef, StreamRuntime } from "../runtime/mod.ts";
import type { Handler, HttpAction } from "../../shared/wire/mod.ts";

/** Upper bound of a failed command's output in an Event. */
const MAX_OUTPUT_BYTES = 10_240;
/** The status line must be within the first bytes of an HTTP response. */
const MAX_RESPONSE_BYTES = 10_240;

/** The instance that a handler runs in. */
export interface HandlerTarget {
  container: ContainerRef;
  /**
   * Address of HTTP and TCP handlers that name no host: the pod's, or the device's for hostNetwork.
   */
  podIp: string;
}

/** Options of {@linkcode runHandler}. */
export interface RunHandlerOptions {
  target: HandlerTarget;
  streams: StreamRuntime<ContainerRef>;
  clock: Clock;
  /** Aborts the handler. It has no timeout of its own. */
  signal: AbortSignal;
}

/** Whether a handler succeeded, and if not, why. */
export type HandlerResult = { ok: true } | { ok: false; message: string };

/** Runs a handler once. Rejects only with the signal's reason. */
export async function runHandler(
  handler: Handler,
  options: RunHandlerOptions,
): Promise<HandlerResult> {
  const { target, clock, signal } = options;
  const { action } = handler;
  signal.throwIfAborted();
  try {
    switch (action.case) {
      case "exec":
        return await runCommand(action.value.command, options);
      case "http":
        return await requestHttp(action.value, options);
      case "tcp": {
        const { host, port } = action.value;
        const socket = await dial({ host: host || target.podIp, port, signal });
        socket.destroy();
        return { ok: true };
      }
      case "sleepSeconds":
        await clock.sleep(Number(action.value) * 1_000, { signal });
        return { ok: true };
      default:
        // An operator of a later version may know more kinds.
        return { ok: false, message: "unsupported kind of handler" };
    }
  } catch (error) {
    signal.throwIfAborted();
    return {
      ok: false,
      message: error instanceof Error ? error.message : String(error),
    };
  }
}

/** Succeeds when the command exits with 0; otherwise the message is the beginning of its output. */
async function runCommand(
  command: string[],
  options: RunHandlerOptions,
): Promise<HandlerResult> {
  const { target, streams, signal } = options;
  const output: Uint8Array[] = [];
  let outputBytes = 0;
  const collect = (chunk: Uint8Array) => {
    if (outputBytes < MAX_OUTPUT_BYTES) output.push(chunk);
    outputBytes += chunk.length;
    return Promise.resolve();
  };
  const exit = streams.exec(
    {
      target: target.container,
      command,
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
    },
    {
      stdin: EMPTY_STREAM,
      stdout: collect,
      stderr: collect,
      resizes: EMPTY_STREAM,
      signal,
    },
  );
  // The engine may not notice the signal while the command hangs.
  const { code, message } = await abortable(exit, signal);
  if (code === 0) return { ok: true };
  const text = fromUtf8(concatBytes(output)).slice(0, MAX_OUTPUT_BYTES).trim();
  return {
    ok: false,
    message: message || text || `command exited with ${code}`,
  };
}

/** Succeeds when the response has a status from 200 to 399, as for a kubelet. */
async function requestHttp(
  action: HttpAction,
  { target, signal }: RunHandlerOptions,
): Promise<HandlerResult> {
  const host = action.host || target.podIp;
  const { port, path, scheme, headers } = action;
  const socket = await dial({
    host,
    port,
    tls: scheme.toUpperCase() === "HTTPS",
    signal,
  });
  const hasHost = headers.some(({ name }) => name.toLowerCase() === "host");
  const head = [
    `GET ${path || "/"} HTTP/1.1`,
    ...(hasHost ? [] : [`Host: ${formatEndpoint({ host, port })}`]),
    ...headers.map(({ name, value }) => `${name}: ${value}`),
    "User-Agent: kube-probe/1.34",
    "Accept: */*",
    "Connection: close",
    // A line break in a value must not become another header.
  ].map((line) => line.replace(/[\r\n]/g, " "));
  const status = await readStatus(socket, {
    request: `${head.join("\r\n")}\r\n\r\n`,
    signal,
  });
  return status >= 200 && status < 400
    ? { ok: true }
    : { ok: false, message: `HTTP probe failed with statuscode: ${status}` };
}

/** Connects. Certificates are not verified: kubelets don't verify those of what they probe. */
function dial(
  options: { host: string; port: number; tls?: boolean; signal: AbortSignal },
): Promise<Socket> {
  const { host, port, tls = false, signal } = options;
  return new Promise((resolve, reject) => {
    const socket: Socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connectTcp({ host, port });
    const abortListener = onAbort(signal, () => socket.destroy(signal.reason));
    socket.on("close", () => {
      abortListener[Symbol.dispose]();
      const endpoint = formatEndpoint({ host, port });
      reject(
        new AranyaError(
          "unavailable",
          `Cannot connect to ${endpoint}: the connection was closed`,
        ),
      );
    });
    socket.on("error", reject);
    socket.once(tls ? "secureConnect" : "connect", () => resolve(socket));
  });
}

/** Sends a request and returns the status of its response; the connection is closed in any case. */
async function readStatus(
  socket: Socket,
  { request, signal }: { request: string; signal: AbortSignal },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  using _abortListener = onAbort(signal, reject);
  const refuse = () =>
    reject(
      new AranyaError("unavailable", "Cannot read HTTP response: not HTTP"),
    );
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    const match = /^HTTP\/1\.[01] (\d{3})/.exec(text);
    if (match) resolve(Number(match[1]));
    else if (text.length > MAX_RESPONSE_BYTES) refuse();
  });
  socket.once("end", refuse);
  socket.once("close", refuse);
  socket.once("error", reject);
  socket.write(request);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

// SPDX-License-Identifier: Apache-2.0
/** One action of a hook or a probe, carried out once: a command in the container, an HTTP request, a TCP connection, a sleep. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  AranyaError,
  type Clock,
  concatBytes,
  fromUtf8,
} from "../../shared/base/mod.ts";
import type { ContainerRef, StreamRuntime } from "../runtime/mod.ts";
import type { Handler, HttpAction } from "../../shared/wire/mod.ts";

/** Output of a failing command that goes into the event. */
const MAX_OUTPUT_BYTES = 10_240;
/** Head and beginning of an HTTP answer that is read. */
const MAX_ANSWER_BYTES = 10_240;

/** Where a handler acts. */
export interface HandlerTarget {
  containerId: string;
  podUid: string;
  /** The pod's own address; the device's for hostNetwork. */
  podIp: string;
}

/** Options of {@linkcode runHandler}. */
export interface RunHandlerOptions {
  target: HandlerTarget;
  streams: StreamRuntime<ContainerRef>;
  clock: Clock;
  /** Ends it; the caller sets the time. */
  signal: AbortSignal;
}

/** Succeeds or says why not. */
export type HandlerResult = { ok: true } | { ok: false; message: string };

/** Carries a handler out. Never rejects but with the signal's reason. */
export async function runHandler(
  handler: Handler,
  options: RunHandlerOptions,
): Promise<HandlerResult> {
  const { target, clock, signal } = options;
  signal.throwIfAborted();
  try {
    switch (handler.action.case) {
      case "exec":
        return await runCommand(handler.action.value.command, options);
      case "http":
        return await askHttp(handler.action.value, options);
      case "tcp": {
        const { host, port } = handler.action.value;
        const socket = await dial({ host: host || target.podIp, port, signal });
        socket.destroy();
        return { ok: true };
      }
      case "sleepSeconds":
        await clock.sleep(Number(handler.action.value) * 1_000, { signal });
        return { ok: true };
      default:
        return { ok: false, message: "this kind of handler is not supported" };
    }
  } catch (error) {
    signal.throwIfAborted();
    return {
      ok: false,
      message: error instanceof Error ? error.message : String(error),
    };
  }
}

async function runCommand(
  command: string[],
  options: RunHandlerOptions,
): Promise<HandlerResult> {
  const { target, streams, signal } = options;
  const output: Uint8Array[] = [];
  let held = 0;
  const take = (chunk: Uint8Array) => {
    if (held < MAX_OUTPUT_BYTES) output.push(chunk);
    held += chunk.length;
    return Promise.resolve();
  };
  const running = streams.exec(
    {
      target: {
        kind: "container",
        containerId: target.containerId,
        podUid: target.podUid,
      },
      command,
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
    },
    {
      stdin: nothing(),
      stdout: take,
      stderr: take,
      resizes: nothing(),
      signal,
    },
  );
  const { code, message } = await untilAborted(running, signal);
  if (code === 0) return { ok: true };
  const text = fromUtf8(concatBytes(output)).slice(0, MAX_OUTPUT_BYTES).trim();
  return {
    ok: false,
    message: message || text || `command exited with ${code}`,
  };
}

async function* nothing(): AsyncGenerator<never> {}

async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}

async function askHttp(
  action: HttpAction,
  { target, signal }: RunHandlerOptions,
): Promise<HandlerResult> {
  const host = action.host || target.podIp;
  const socket = await dial({
    host,
    port: action.port,
    tls: action.scheme.toUpperCase() === "HTTPS",
    signal,
  });
  const named = action.headers.some(({ name }) =>
    name.toLowerCase() === "host"
  );
  const head = [
    `GET ${action.path || "/"} HTTP/1.1`,
    ...(named
      ? []
      : [`Host: ${host.includes(":") ? `[${host}]` : host}:${action.port}`]),
    ...action.headers.map(({ name, value }) => `${name}: ${value}`),
    "User-Agent: kube-probe/1.34",
    "Accept: */*",
    "Connection: close",
  ].map((line) => line.replace(/[\r\n]/g, " "));
  const status = await readStatus(socket, {
    request: head.join("\r\n") + "\r\n\r\n",
    signal,
  });
  return status >= 200 && status < 400
    ? { ok: true }
    : { ok: false, message: `HTTP probe failed with statuscode: ${status}` };
}

/** A connection; kubelets do not verify the certificates of what they probe. */
function dial(
  options: { host: string; port: number; tls?: boolean; signal: AbortSignal },
): Promise<Socket> {
  const { host, port, tls = false, signal } = options;
  return new Promise((resolve, reject) => {
    const socket: Socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connectTcp({ host, port });
    const onAbort = () => socket.destroy(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("close", () => {
      signal.removeEventListener("abort", onAbort);
      reject(
        new AranyaError(
          "unavailable",
          `Cannot connect to ${host}:${port}: the connection was closed`,
        ),
      );
    });
    socket.on("error", reject);
    socket.once(tls ? "secureConnect" : "connect", () => resolve(socket));
  });
}

function readStatus(
  socket: Socket,
  { request, signal }: { request: string; signal: AbortSignal },
): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const fail = () =>
      reject(
        new AranyaError("unavailable", "Cannot read HTTP answer: it is none"),
      );
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const match = /^HTTP\/1\.[01] (\d{3})/.exec(text);
      if (match) resolve(Number(match[1]));
      else if (text.length > MAX_ANSWER_BYTES) fail();
    });
    socket.once("end", fail);
    socket.once("close", fail);
    socket.once("error", reject);
    socket.write(request);
  }).then((status) => status as number).finally(() => socket.destroy());
}

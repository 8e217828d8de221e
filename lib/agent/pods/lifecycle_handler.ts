// SPDX-License-Identifier: Apache-2.0
/** Handlers of probes and lifecycle hooks: commands, HTTP requests, TCP connections and sleeps. */
import {
  abortable,
  AranyaError,
  type Clock,
  concatBytes,
  EMPTY_STREAM,
  fromUtf8,
} from "../../shared/base/mod.ts";
import type { ContainerRef, StreamRuntime } from "../runtime/mod.ts";
import type { Handler, HttpAction } from "../../shared/wire/mod.ts";
import { dial } from "./dial.ts";
import { requestHttp } from "./http_action.ts";

/** Upper bound of a failed command's output in an Event. */
const MAX_OUTPUT_BYTES = 10_240;

/** The instance that a handler runs in. */
export interface HandlerTarget {
  container: ContainerRef;
  /**
   * Address of HTTP and TCP handlers that name no host: the pod's, or the device's for hostNetwork.
   * Undefined while the pod has none.
   */
  podIp: string | undefined;
  /**
   * Whether HTTP and TCP handlers may name another host, which they reach from the host's network.
   */
  mayNameHosts: boolean;
}

/** Options of {@linkcode runHandler}. */
export interface RunHandlerOptions {
  /** A hook succeeds with any HTTP response, a probe with a status from 200 to 399. */
  purpose: "probe" | "hook";
  target: HandlerTarget;
  streams: StreamRuntime<ContainerRef>;
  clock: Clock;
  /** Aborts the handler. It has no timeout of its own. */
  signal: AbortSignal;
}

/** Whether a handler succeeded, and if not, why. A warning is for an Event. */
export type HandlerResult =
  | { ok: true; warning?: string }
  | { ok: false; message: string };

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
        return await runRequest(action.value, options);
      case "tcp": {
        const { host, port } = action.value;
        const socket = await dial({
          host: toDialHost(host, target),
          port,
          signal,
        });
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

/**
 * Returns the host that a handler connects to.
 * @throws {AranyaError} code "forbidden" for a host that must not be named, "unavailable" while the
 * pod has no address: the loopback address would be that of the device
 */
function toDialHost(
  host: string,
  { podIp, mayNameHosts }: HandlerTarget,
): string {
  if (host !== "" && !mayNameHosts) {
    throw new AranyaError(
      "forbidden",
      `Cannot connect to host "${host}": turned off by the device's owner (pods.hostNamespaces: false in agent.yaml)`,
    );
  }
  const address = host || podIp;
  if (address !== undefined) return address;
  throw new AranyaError(
    "unavailable",
    "Cannot connect to the pod: it has no address yet",
  );
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
      killWhenLeft: true,
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

/** Sends the request as a kubelet does it for this purpose, and judges the response. */
async function runRequest(
  action: HttpAction,
  { purpose, target, signal }: RunHandlerOptions,
): Promise<HandlerResult> {
  const isHook = purpose === "hook";
  const { status, fellBackAt } = await requestHttp(action, {
    defaultHost: toDialHost(action.host, target),
    userAgent: isHook ? "kube-lifecycle/1.34" : "kube-probe/1.34",
    fallsBackToHttp: isHook,
    signal,
  });
  if (fellBackAt !== undefined) {
    return {
      ok: true,
      warning:
        `request to HTTPS lifecycle hook ${fellBackAt} got HTTP response, retry with HTTP succeeded`,
    };
  }
  if (isHook || (status >= 200 && status < 300)) return { ok: true };
  return status >= 300 && status < 400
    ? { ok: true, warning: `Probe terminated redirects, status: ${status}` }
    : { ok: false, message: `HTTP probe failed with statuscode: ${status}` };
}

// SPDX-License-Identifier: Apache-2.0
/** Which file serves which command. */
import { AranyaError, type Clock, type Logger } from "../../shared/base/mod.ts";
import type { DeviceReader } from "../runtime/mod.ts";
import type { SessionHandlers } from "../../shared/session/mod.ts";
import { encodeMessage, Method, StatsSchema } from "../../shared/wire/mod.ts";
import type { PodWorkers } from "../pods/mod.ts";
import { configure } from "./configure.ts";
import type { StreamCall, StreamContext } from "./context.ts";
import { serveAttach, serveExec } from "./exec.ts";
import { serveLogs } from "./logs.ts";
import { applyPod, listPods, purgePod, removePod } from "./apply.ts";
import { servePortForward } from "./port_forward.ts";

/** Replaces the device's credential. */
export interface CredentialRotation {
  /**
   * Executes METHOD_ROTATE_CREDENTIAL and returns the encoded answer.
   * @throws {AranyaError} when agent.yaml can't be rewritten; the old credential then stays valid
   */
  rotate(payload: Uint8Array): Promise<Uint8Array>;
}

/** Options of {@linkcode createHandlers}. */
export interface HandlersOptions {
  podWorkers: PodWorkers;
  reader: DeviceReader;
  credential: CredentialRotation;
  context: StreamContext;
  clock: Clock;
  log: Logger;
}

/** What the operator may ask of the device. */
export function createHandlers(options: HandlersOptions): SessionHandlers {
  return {
    request: (method, payload, signal) =>
      serveRequest({ method, payload, signal }, options),
    async stream(method, payload, stream) {
      const startedMs = options.clock.monotonicMs();
      let code = "";
      try {
        await serveStream({ method, payload, stream }, options);
      } catch (error) {
        code = error instanceof AranyaError ? error.code : "internal";
        throw error;
      } finally {
        options.log.debug("stream is over", {
          cmd: nameOf(method),
          ms: Math.round(options.clock.monotonicMs() - startedMs),
          code,
        });
      }
    },
  };
}

async function serveRequest(
  call: { method: Method; payload: Uint8Array; signal: AbortSignal },
  options: HandlersOptions,
): Promise<Uint8Array> {
  const { method, payload, signal } = call;
  const { podWorkers, reader, credential } = options;
  switch (method) {
    case Method.CONFIGURE:
      return await configure(payload, podWorkers);
    case Method.LIST_PODS:
      return await listPods(podWorkers);
    case Method.APPLY_POD:
      return await applyPod(payload, podWorkers);
    case Method.REMOVE_POD:
      return await removePod(payload, podWorkers);
    case Method.PURGE_POD:
      return await purgePod(payload, podWorkers);
    case Method.ROTATE_CREDENTIAL:
      return await credential.rotate(payload);
    case Method.GET_STATS:
      return encodeMessage(StatsSchema, await reader.readStats(signal));
    default:
      throw unknown(method);
  }
}

async function serveStream(
  call: StreamCall & { method: Method },
  { context }: HandlersOptions,
): Promise<void> {
  const { method } = call;
  switch (method) {
    case Method.EXEC:
      return await serveExec(call, context);
    case Method.ATTACH:
      return await serveAttach(call, context);
    case Method.LOGS:
      return await serveLogs(call, context);
    case Method.PORT_FORWARD:
      return await servePortForward(call, context);
    default:
      throw unknown(method);
  }
}

/** A later operator may ask for what this agent does not know. */
function unknown(method: Method): AranyaError {
  return new AranyaError(
    "unsupported",
    `Cannot serve method ${nameOf(method)}: this agent does not know it`,
  );
}

function nameOf(method: Method): string {
  const found = Object.entries(Method).find(([, number]) => number === method);
  return found?.[0].toLowerCase() ?? String(method);
}

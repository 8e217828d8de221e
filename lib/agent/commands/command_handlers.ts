// SPDX-License-Identifier: Apache-2.0
/** Requests and streams of the operator, by method. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { SessionHandlers, Stream } from "../../shared/session/mod.ts";
import {
  encodeMessage,
  Method,
  StatsSchema,
  toMethodName,
} from "../../shared/wire/mod.ts";
import type { PodWorkers } from "../pods/mod.ts";
import type { DeviceReader } from "../runtime/mod.ts";
import { applyPod, listPods, purgePod, removePod } from "./apply.ts";
import { configure, type EndpointUpdates } from "./configure.ts";
import type { StreamContext } from "./context.ts";
import { serveAttach, serveExec } from "./exec.ts";
import { serveLogs } from "./logs.ts";
import { servePortForward } from "./port_forward.ts";

/** Replaces the device's credential. */
export interface CredentialRotation {
  /**
   * Serves METHOD_ROTATE_CREDENTIAL: returns the encoded response once the new credential is in
   * agent.yaml.
   * @throws {AranyaError} when agent.yaml can't be rewritten; the old credential then stays valid
   */
  rotate(payload: Uint8Array): Promise<Uint8Array>;
}

/** Options of {@linkcode CommandHandlers}. */
export interface CommandHandlersOptions {
  podWorkers: PodWorkers;
  reader: DeviceReader;
  credential: CredentialRotation;
  endpoints: EndpointUpdates;
  /** Passed to the stream commands. */
  context: StreamContext;
}

/** Passes each request and stream of the operator to the function that serves its method. */
export class CommandHandlers implements SessionHandlers {
  readonly #options: CommandHandlersOptions;

  constructor(options: CommandHandlersOptions) {
    this.#options = options;
  }

  async request(
    method: Method,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { podWorkers, reader, credential, endpoints } = this.#options;
    switch (method) {
      case Method.CONFIGURE:
        return await configure(payload, { podWorkers, endpoints });
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
        throw toUnknownMethodError(method);
    }
  }

  async stream(
    method: Method,
    payload: Uint8Array,
    stream: Stream,
  ): Promise<void> {
    const { context } = this.#options;
    const call = { payload, stream };
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
        throw toUnknownMethodError(method);
    }
  }
}

/** An operator of a later version may send methods that this agent doesn't know. */
function toUnknownMethodError(method: Method): AranyaError {
  return new AranyaError(
    "unsupported",
    `Cannot serve method ${
      toMethodName(method)
    }: it is unknown to this version of the agent`,
  );
}

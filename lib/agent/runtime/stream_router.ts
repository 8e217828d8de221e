// SPDX-License-Identifier: Apache-2.0
/** Streams into containers and the host through one runtime. */
import type {
  ConnectionIo,
  ExecIo,
  ExecRequest,
  ExitStatus,
} from "../../shared/exec/mod.ts";
import type {
  ContainerRef,
  HostRef,
  RuntimeAttachRequest,
  RuntimeLogsRequest,
  RuntimeTarget,
  StreamRuntime,
} from "./runtime.ts";

/** Options of {@linkcode StreamRouter}. */
export interface StreamRouterOptions {
  containers: StreamRuntime<ContainerRef>;
  host: StreamRuntime<HostRef>;
}

/** Passes each request to the runtime of its target's kind. */
export class StreamRouter implements StreamRuntime {
  readonly #containers: StreamRuntime<ContainerRef>;
  readonly #host: StreamRuntime<HostRef>;

  constructor(options: StreamRouterOptions) {
    this.#containers = options.containers;
    this.#host = options.host;
  }

  exec(request: ExecRequest<RuntimeTarget>, io: ExecIo): Promise<ExitStatus> {
    const { target } = request;
    return target.kind === "host"
      ? this.#host.exec({ ...request, target }, io)
      : this.#containers.exec({ ...request, target }, io);
  }

  attach(request: RuntimeAttachRequest, io: ExecIo): Promise<ExitStatus> {
    const { target } = request;
    return target.kind === "host"
      ? this.#host.attach({ ...request, target }, io)
      : this.#containers.attach({ ...request, target }, io);
  }

  logs(
    request: RuntimeLogsRequest,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const { target } = request;
    return target.kind === "host"
      ? this.#host.logs({ ...request, target }, signal)
      : this.#containers.logs({ ...request, target }, signal);
  }

  connectPort(
    { target, port }: { target: RuntimeTarget; port: number },
    io: ConnectionIo,
  ): Promise<void> {
    return target.kind === "host"
      ? this.#host.connectPort({ target, port }, io)
      : this.#containers.connectPort({ target, port }, io);
  }
}

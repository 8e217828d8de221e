// SPDX-License-Identifier: Apache-2.0
/** Streams to the device's host. */
import { AranyaError, defined } from "../../shared/base/mod.ts";
import type {
  ConnectionIo,
  ExecIo,
  ExecRequest,
  ExitStatus,
} from "../../shared/exec/mod.ts";
import type { HostMachine } from "../host/mod.ts";
import type {
  HostRef,
  RuntimeAttachRequest,
  RuntimeLogsRequest,
  StreamRuntime,
} from "./runtime.ts";

/** Options of {@linkcode HostStreams}. */
export interface HostStreamsOptions {
  machine: HostMachine;
  /** Shell that attach starts. @default "/bin/sh" */
  shell?: string | undefined;
  /** File that logs reads. @default the journal */
  logFile?: string | undefined;
}

/** Streams to the host: commands, a shell for attach, the host's log, ports on its loopback. */
export class HostStreams implements StreamRuntime<HostRef> {
  readonly #machine: HostMachine;
  readonly #shell: string;
  readonly #logFile: string | undefined;

  constructor({ machine, shell = "/bin/sh", logFile }: HostStreamsOptions) {
    this.#machine = machine;
    this.#shell = shell;
    this.#logFile = logFile;
  }

  exec(
    { command, stdin, tty }: ExecRequest<HostRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    return this.#machine.exec({ command, stdin, tty }, io);
  }

  attach(
    { stdin, tty }: RuntimeAttachRequest<HostRef>,
    io: ExecIo,
  ): Promise<ExitStatus> {
    // The host has no first process with an output to show.
    if (!stdin) {
      return Promise.reject(
        new AranyaError(
          "invalid",
          "Cannot attach to the device: attach starts a shell and needs input, expected attach with stdin (kubectl attach -i or -it)",
        ),
      );
    }
    return this.#machine.exec({ command: [this.#shell], stdin, tty }, io);
  }

  logs(
    { follow, tailLines, limitBytes, sinceTime }: RuntimeLogsRequest<HostRef>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return this.#machine.logs({
      follow,
      signal,
      ...defined({ file: this.#logFile, tailLines, limitBytes, sinceTime }),
    });
  }

  connectPort(
    { port }: { target: HostRef; port: number },
    io: ConnectionIo,
  ): Promise<void> {
    return this.#machine.connectPort({ port }, io);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Streams into the device's host. */
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
  /** Path of the shell that attach starts. @default "/bin/sh" */
  shell?: string | undefined;
  /** Path of the log that logs reads. @default the journal */
  logFile?: string | undefined;
}

/** Streams into the host: commands, a shell for attach, the host's log, ports on its loopback. */
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
    // The host has no first process whose output could be shown.
    if (!stdin) {
      return Promise.reject(
        new AranyaError(
          "invalid",
          "Cannot attach to the device: no stdin for the shell that attach starts, expected kubectl attach -i or -it",
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

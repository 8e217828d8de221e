// SPDX-License-Identifier: Apache-2.0
/** The device itself, as one object. */
import { runCommand } from "./command.ts";
import type {
  ConnectionIo,
  ExecIo,
  ExecStreams,
  ExitStatus,
} from "../../shared/exec/mod.ts";
import { type HostReading, readHost } from "./facts.ts";
import { type HostLogOptions, readHostLog } from "./logs.ts";
import { dialPort, joinPort } from "./port.ts";
import { type ProgramResult, runProgram } from "./program.ts";
import { runTerminal } from "./terminal.ts";

/** The machine that the agent runs on. Calls may run side by side. */
export interface HostMachine {
  /** Runs a command to its end; a non-zero exit is a result. When the client leaves, the process group gets SIGHUP and nothing more. */
  exec(request: HostCommand, io: ExecIo): Promise<ExitStatus>;
  /** The configured file or the journal; see {@linkcode readHostLog}. */
  logs(options: Omit<HostLogOptions, "env">): AsyncIterable<Uint8Array>;
  /** Joins a connection to a port on loopback, or at these addresses, to its end. @throws {AranyaError} "unavailable" */
  connectPort(target: HostPort, io: ConnectionIo): Promise<void>;
  /** Whether a link of this machine has the address. */
  hasAddress(address: string): boolean;
  /** Reads the machine's figures, with the file systems of these paths. */
  read(
    options: { paths: string[]; signal?: AbortSignal },
  ): Promise<HostReading>;
  /** Runs a small program for what it prints. @throws {AranyaError} "not_found" */
  run(
    name: string,
    options: { args: string[]; timeoutMs?: number; signal?: AbortSignal },
  ): Promise<ProgramResult>;
}

/** One command on the host. */
export interface HostCommand extends Pick<ExecStreams, "stdin" | "tty"> {
  command: string[];
}

/** One connection. */
export interface HostPort {
  port: number;
  /** @default IPv4 loopback, then IPv6 loopback */
  addresses?: string[];
  /** For each address, in milliseconds. */
  timeoutMs?: number;
  /** `Cannot <verb> <object>`, for errors. */
  action?: string;
}

/** Options of {@linkcode createHostMachine}. */
export interface HostMachineOptions {
  /** Environment of commands; nothing else is handed on to them. PATH is filled in when absent. */
  env?: Record<string, string>;
}

const LOOPBACK = ["127.0.0.1", "::1"];
const DEFAULT_PATH =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Makes the machine; nothing is started yet. */
export function createHostMachine(
  options: HostMachineOptions = {},
): HostMachine {
  const env = { PATH: DEFAULT_PATH, ...options.env };
  return {
    exec: ({ command, stdin, tty }, io) =>
      tty
        ? runTerminal({ command, env: { TERM: "xterm", ...env }, io })
        : runCommand({ command, stdin, env, io }),
    logs: (request) => readHostLog({ ...request, env }),
    async connectPort(target, io) {
      const { port, addresses = LOOPBACK, timeoutMs } = target;
      const action = target.action ??
        `Cannot forward to port ${port} of the device`;
      const { signal } = io;
      const conn = await dialPort({
        addresses,
        port,
        action,
        signal,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      await joinPort(conn, { io, action });
    },
    hasAddress: (address) =>
      Deno.networkInterfaces().some((link) => link.address === address),
    read: ({ paths, signal }) => readHost({ paths, env, signal }),
    run: (name, request) => runProgram(name, { ...request, env }),
  };
}

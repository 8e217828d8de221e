// SPDX-License-Identifier: Apache-2.0
/** The machine that the agent runs on, as one object. */
import { defined } from "../../shared/base/mod.ts";
import type {
  ConnectionIo,
  ExecIo,
  ExecStreams,
  ExitStatus,
} from "../../shared/exec/mod.ts";
import { runCommand } from "./command.ts";
import {
  type HostFacts,
  type HostUsage,
  readHostFacts,
  readHostUsage,
} from "./facts.ts";
import { measureFiles } from "./file_usage.ts";
import { type HostLogOptions, readHostLog } from "./logs.ts";
import { dialPort, relayConnection } from "./port.ts";
import { type ProgramResult, runProgram } from "./program.ts";
import { runTerminal } from "./terminal.ts";

/** A machine. Calls may run concurrently. */
export interface HostMachine {
  /**
   * Runs a command to its end; any exit code is a result, not an error. When the client leaves,
   * the process group gets SIGHUP and is then left alone.
   */
  exec(request: HostCommand, io: ExecIo): Promise<ExitStatus>;
  /** Reads a log file or the journal; see `HostLogOptions`. */
  logs(options: Omit<HostLogOptions, "env">): AsyncIterable<Uint8Array>;
  /**
   * Connects to a port and copies bytes in both directions until the target has closed its side or
   * the client leaves.
   * @throws {PortDialError} when no connection could be made; {AranyaError} code "unavailable" when
   * it failed later
   */
  connectPort(target: HostPort, io: ConnectionIo): Promise<void>;
  /** Returns whether a network interface of the machine has the IP address. */
  hasAddress(address: string): boolean;
  /** Reads facts and resource usage, with the file systems of these paths. */
  readFacts(
    options: { paths: string[]; signal?: AbortSignal },
  ): Promise<HostFacts>;
  /** Reads memory and the file systems of these paths; cheap enough for every few seconds. */
  readUsage(paths: string[]): Promise<HostUsage>;
  /** Returns the bytes on disk of the files in a directory; 0 when it can't be read. */
  measureFiles(dir: string): Promise<number>;
  /** Runs a program for its output. @throws {AranyaError} code "not_found", "timed_out" */
  run(
    name: string,
    options: { args: string[]; timeoutMs?: number; signal?: AbortSignal },
  ): Promise<ProgramResult>;
}

/** A command on the host. */
export interface HostCommand extends Pick<ExecStreams, "stdin" | "tty"> {
  /** Program and arguments. */
  command: string[];
}

/** A TCP port to connect to. */
export interface HostPort {
  port: number;
  /** IP addresses, tried in this order. @default IPv4 loopback, then IPv6 loopback */
  addresses?: string[];
  /** Upper bound of the dial for each address, in milliseconds. */
  timeoutMs?: number;
  /** `Cannot <verb> <object>`, for errors. */
  action?: string;
}

/** Options of {@linkcode LocalMachine}. */
export interface LocalMachineOptions {
  /** The whole environment of commands; PATH gets a default value when it is absent. */
  env?: Record<string, string>;
}

const LOOPBACK_ADDRESSES = ["127.0.0.1", "::1"];
const DEFAULT_PATH =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The machine that this process runs on. */
export class LocalMachine implements HostMachine {
  readonly #env: Readonly<Record<string, string>>;

  constructor({ env }: LocalMachineOptions = {}) {
    this.#env = { PATH: DEFAULT_PATH, ...env };
  }

  exec(
    { command, stdin, tty }: HostCommand,
    io: ExecIo,
  ): Promise<ExitStatus> {
    return tty
      ? runTerminal({ command, env: { TERM: "xterm", ...this.#env }, io })
      : runCommand({ command, stdin, env: this.#env, io });
  }

  logs(options: Omit<HostLogOptions, "env">): AsyncIterable<Uint8Array> {
    return readHostLog({ ...options, env: this.#env });
  }

  async connectPort(target: HostPort, io: ConnectionIo): Promise<void> {
    const { port, addresses = LOOPBACK_ADDRESSES, timeoutMs } = target;
    const action = target.action ??
      `Cannot forward to port ${port} of the device`;
    const conn = await dialPort({
      addresses,
      port,
      action,
      signal: io.signal,
      ...defined({ timeoutMs }),
    });
    await relayConnection(conn, { io, action });
  }

  hasAddress(address: string): boolean {
    return Deno.networkInterfaces().some((one) => one.address === address);
  }

  readFacts(
    { paths, signal }: { paths: string[]; signal?: AbortSignal },
  ): Promise<HostFacts> {
    return readHostFacts({ paths, env: this.#env, signal });
  }

  readUsage(paths: string[]): Promise<HostUsage> {
    return readHostUsage(paths);
  }

  measureFiles(dir: string): Promise<number> {
    return measureFiles(dir);
  }

  run(
    name: string,
    options: { args: string[]; timeoutMs?: number; signal?: AbortSignal },
  ): Promise<ProgramResult> {
    return runProgram(name, { ...options, env: this.#env });
  }
}

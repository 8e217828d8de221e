// SPDX-License-Identifier: Apache-2.0
/**
 * Commands on the host without a terminal.
 *
 *     agent ══ stdin, stdout, stderr ══ command (own session and process group)
 *       └───── fd 3 ───── drain: sleeps until fd 3 ends, then reads what nobody reads any more
 *
 * A command may outlive its client and even the agent (nohup, upgrades). Its writes must not kill it then: a pipe without a
 * reader gives SIGPIPE, a full one blocks. So the shell that becomes the command leaves a small process behind which holds
 * the read ends of both outputs and begins to read them to nowhere when the agent lets go of fd 3, by will or by dying.
 *
 * One thing is out of our hands: as a systemd service the agent needs `KillMode=process`, else systemd ends the whole cgroup
 * with it, nohup or not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import {
  CLIENT_LEFT,
  type ExecIo,
  type ExitStatus,
} from "../../shared/exec/mod.ts";
import { CHECK_COMMAND, codeOfSignal, signalGroup } from "./exit.ts";

/** How long a process that has ended may leave its outputs open (to children) without a byte in them, in milliseconds. */
const LINGER_MS = 300;

const SCRIPT = `
exec 8</proc/self/fd/1 9</proc/self/fd/2
(
  trap '' HUP INT QUIT TERM PIPE
  exec <&3 3<&- >/dev/null 2>&1
  read -r end
  cat <&8 8<&- 9<&- &
  exec cat <&9 8<&- 9<&-
) &
exec 3<&- 8<&- 9<&-
${CHECK_COMMAND}
exec "$@"
`;

/** Options of {@linkcode runCommand}. */
export interface RunCommandOptions {
  command: string[];
  /** Without it the command reads from /dev/null. */
  stdin: boolean;
  env: Readonly<Record<string, string>>;
  /** @default "/" */
  cwd?: string;
  io: ExecIo;
}

/**
 * Runs a command to its end. When the client leaves, the process group gets SIGHUP and is left alone.
 * A command that can't be found or run ends with 127 or 126 and a sentence on stderr.
 */
export async function runCommand(
  options: RunCommandOptions,
): Promise<ExitStatus> {
  const { command, env, io, cwd = "/" } = options;
  if (io.signal.aborted) return CLIENT_LEFT;
  const child = spawn("sh", ["-c", SCRIPT, "sh", ...command], {
    cwd,
    env: { ...env },
    detached: true,
    stdio: [options.stdin ? "pipe" : "ignore", "pipe", "pipe", "pipe"],
  });
  return await new Run(child, io).follow();
}

/** One running command. */
class Run {
  readonly #child: ChildProcess;
  readonly #io: ExecIo;
  readonly #left = Promise.withResolvers<"left">();
  /** Aborted when the process has ended. */
  readonly #ended = new AbortController();

  constructor(child: ChildProcess, io: ExecIo) {
    this.#child = child;
    this.#io = io;
  }

  async follow(): Promise<ExitStatus> {
    const { signal } = this.#io;
    const onAbort = () => this.#left.resolve("left");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const streams = this.#child.stdio.filter((stream) => stream !== null);
    // A pipe that breaks is the process's end, which is seen by itself.
    for (const stream of streams) stream?.on("error", () => {});
    const exit = this.#exit();
    this.#feed();
    const outputs = Promise.all([
      this.#pump(this.#child.stdout, this.#io.stdout),
      this.#pump(this.#child.stderr, this.#io.stderr),
    ]);
    try {
      const first = await Promise.race([
        this.#left.promise,
        exit.then(async (result) => {
          await outputs;
          return result;
        }),
      ]);
      if (first !== "left") return first;
      this.#hangUp();
      return CLIENT_LEFT;
    } finally {
      signal.removeEventListener("abort", onAbort);
      for (const stream of streams) stream?.destroy();
    }
  }

  #exit(): Promise<ExitStatus> {
    const child = this.#child;
    return new Promise((resolve) => {
      child.once("exit", (code, signalName) => {
        this.#ended.abort();
        resolve({ code: code ?? codeOfSignal(signalName ?? "") });
      });
      child.once("error", (error) => {
        this.#ended.abort();
        resolve({
          code: 127,
          reason: "StartError",
          message:
            `Cannot run a command on the device: its shell does not start (${error.message})`,
        });
      });
    });
  }

  /** Client's bytes to the process; its own end is enough to stop. */
  #feed(): void {
    const stdin = this.#child.stdin;
    if (!stdin) return;
    const run = async () => {
      for await (const chunk of this.#io.stdin) {
        if (this.#ended.signal.aborted || stdin.destroyed) return;
        if (!stdin.write(chunk)) await drained(stdin, this.#ended.signal);
      }
    };
    // A client that breaks off mid-way also closes: the process must not wait for more.
    run().catch(() => {}).finally(() => stdin.end());
  }

  /** Process's bytes to the client; after its end only what is in the pipe already, unless more keeps coming. */
  async #pump(
    output: Readable | null,
    write: (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    if (!output) return;
    const chunks = output[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    for (;;) {
      const next = chunks.next();
      const result = await this.#unlessIdle(next);
      if (!result || result.done) return;
      try {
        await write(result.value);
      } catch {
        // The client takes no more: that is how leaving looks from here.
        return this.#left.resolve("left");
      }
    }
  }

  /** The next chunk; undefined when the process has ended and none comes for a while. */
  async #unlessIdle<T>(next: Promise<T>): Promise<T | undefined> {
    const idle = Promise.withResolvers<undefined>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onEnd = () => {
      timer = setTimeout(() => idle.resolve(undefined), LINGER_MS);
    };
    const { signal } = this.#ended;
    if (signal.aborted) onEnd();
    else signal.addEventListener("abort", onEnd, { once: true });
    try {
      return await Promise.race([next.catch(() => undefined), idle.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onEnd);
    }
  }

  #hangUp(): void {
    // Once it has ended its number may be another process's.
    if (this.#ended.signal.aborted || this.#child.pid === undefined) return;
    signalGroup(this.#child.pid, "SIGHUP");
    this.#child.unref();
  }
}

/** Resolves when there is room again, or the process has ended. */
function drained(stdin: Writable, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stdin.off("drain", done);
      stdin.off("close", done);
      ended.removeEventListener("abort", done);
      resolve();
    };
    stdin.on("drain", done);
    stdin.on("close", done);
    ended.addEventListener("abort", done, { once: true });
  });
}

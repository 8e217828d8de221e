// SPDX-License-Identifier: Apache-2.0
/** Commands on the host without a terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { onAbort } from "../../shared/base/mod.ts";
import {
  CLIENT_LEFT,
  type ExecIo,
  type ExitStatus,
} from "../../shared/exec/mod.ts";
import { CHECK_COMMAND, signalProcessGroup, toExitCode } from "./exit.ts";

/**
 * How long to wait for more output of a process that has exited, in milliseconds: its children may
 * keep the pipes open for as long as they live.
 */
const LINGER_MS = 300;

/**
 * Starts the drain process, closes the descriptors that are not the command's, and becomes it. A
 * subshell that ends at once starts the drain process: the command must not have a child that it
 * did not start, because it may wait for all of its children. Deno's variable for descriptors above
 * 2 is removed.
 */
const SCRIPT = `
exec 8</proc/self/fd/1 9</proc/self/fd/2
( (
  trap '' HUP INT QUIT TERM PIPE
  exec <&3 3<&- >/dev/null 2>&1
  read -r end
  cat <&8 8<&- 9<&- &
  exec cat <&9 8<&- 9<&-
) & )
exec 3<&- 8<&- 9<&-
unset DENO_EXTRA_STDIO_FDS
${CHECK_COMMAND}
exec "$@"
`;

/** Options of {@linkcode runCommand}. */
export interface RunCommandOptions {
  /** Program and arguments. */
  command: string[];
  /** Whether the command reads the client's input; otherwise it reads from /dev/null. */
  stdin: boolean;
  /** The whole environment of the command. */
  env: Readonly<Record<string, string>>;
  /** Working directory. @default "/" */
  cwd?: string;
  io: ExecIo;
}

/**
 * Runs a command to its end:
 *
 *     agent ══ stdin, stdout, stderr ══ command (own session and process group)
 *       └───── fd 3 ───── drain process: waits for the end of fd 3, then discards both outputs
 *
 * A command may outlive its client and even the agent (nohup, upgrades). Its writes must not stop
 * it then: a pipe without a reader raises SIGPIPE, and a full one blocks. Therefore the shell that
 * becomes the command leaves a small process behind, which holds the read ends of both outputs. It
 * begins to read them when the agent closes fd 3, on purpose or because it died.
 *
 * As a systemd service the agent needs `KillMode=process`; otherwise systemd kills the whole cgroup
 * together with the agent, nohup or not.
 *
 * When the client leaves, the process group gets SIGHUP and is then left alone. A command that
 * can't be found or run exits with 127 or 126 and a sentence on stderr.
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
  return await new CommandRun(child, io).run();
}

/** A process and its client. */
class CommandRun {
  readonly #child: ChildProcess;
  readonly #io: ExecIo;
  readonly #clientLeft = Promise.withResolvers<undefined>();
  /** Aborted when the process has exited. */
  readonly #exited = new AbortController();

  constructor(child: ChildProcess, io: ExecIo) {
    this.#child = child;
    this.#io = io;
  }

  /** Copies input and outputs until the process has exited or the client has left. */
  async run(): Promise<ExitStatus> {
    using _listener = onAbort(
      this.#io.signal,
      () => this.#clientLeft.resolve(undefined),
    );
    const pipes = this.#child.stdio.filter((pipe) => pipe !== null);
    // A broken pipe means that the process has exited, which "exit" reports.
    for (const pipe of pipes) pipe?.on("error", () => {});
    const exit = this.#waitForExit();
    this.#copyInput();
    const outputs = Promise.all([
      this.#copyOutput(this.#child.stdout, this.#io.stdout),
      this.#copyOutput(this.#child.stderr, this.#io.stderr),
    ]);
    try {
      const status = await Promise.race([
        this.#clientLeft.promise,
        outputs.then(() => exit),
      ]);
      if (status) return status;
      this.#hangUp();
      return CLIENT_LEFT;
    } finally {
      for (const pipe of pipes) pipe?.destroy();
    }
  }

  #waitForExit(): Promise<ExitStatus> {
    return new Promise((resolve) => {
      this.#child.once("exit", (code, signalName) => {
        this.#exited.abort();
        resolve({ code: code ?? toExitCode(signalName ?? "") });
      });
      this.#child.once("error", (error) => {
        this.#exited.abort();
        resolve({
          code: 127,
          reason: "StartError",
          message:
            `Cannot run command on the device: the shell does not start (${error.message})`,
        });
      });
    });
  }

  /** Copies the client's input to the process in the background. */
  #copyInput(): void {
    const { stdin } = this.#child;
    if (!stdin) return;
    const copy = async () => {
      for await (const chunk of this.#io.stdin) {
        if (this.#exited.signal.aborted || stdin.destroyed) return;
        if (!stdin.write(chunk)) {
          await waitForDrain(stdin, this.#exited.signal);
        }
      }
    };
    // The process must not wait for more input from a client that has left.
    copy().catch(() => {}).finally(() => stdin.end());
  }

  /**
   * Copies an output to the client until it ends, or until it is silent after the process's exit.
   */
  async #copyOutput(
    output: Readable | null,
    write: (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    if (!output) return;
    const chunks = output[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    for (;;) {
      const result = await this.#waitForOutput(chunks.next());
      if (!result || result.done) return;
      try {
        await write(result.value);
      } catch {
        // The client has left: it takes no more output.
        return this.#clientLeft.resolve(undefined);
      }
    }
  }

  /** Returns the next chunk; undefined when it fails, or doesn't come soon after the exit. */
  async #waitForOutput<T>(next: Promise<T>): Promise<T | undefined> {
    const silence = Promise.withResolvers<undefined>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    using _listener = onAbort(this.#exited.signal, () => {
      timer = setTimeout(() => silence.resolve(undefined), LINGER_MS);
    });
    try {
      return await Promise.race([next.catch(() => undefined), silence.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #hangUp(): void {
    // After the exit, the process id may belong to another process.
    if (this.#exited.signal.aborted || this.#child.pid === undefined) return;
    signalProcessGroup(this.#child.pid, "SIGHUP");
    this.#child.unref();
  }
}

/** Resolves when `stdin` takes more bytes, is closed, or the process has exited. */
async function waitForDrain(
  stdin: Writable,
  exited: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _listener = onAbort(exited, () => resolve());
  stdin.once("drain", resolve);
  stdin.once("close", resolve);
  try {
    await promise;
  } finally {
    stdin.off("drain", resolve);
    stdin.off("close", resolve);
  }
}

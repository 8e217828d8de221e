// SPDX-License-Identifier: Apache-2.0
/**
 * Long-running programs: output goes to a log file, they are stopped by process id, and none
 * outlives this process.
 */
import { AranyaError, defined } from "../../lib/shared/base/mod.ts";
import { pause, until } from "../base/wait.ts";

/** Options of {@linkcode launch}. */
export interface LaunchOptions {
  /** Name in messages. */
  name: string;
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** File that receives standard output and standard error; appended to. */
  log: string;
  /** How long {@linkcode Launched.stop} waits after SIGTERM, in milliseconds. @default 5000 */
  graceMs?: number;
}

/**
 * A command prefix such as `nsenter …`, and how {@linkcode launchThrough} finds the program's
 * process id behind it.
 */
export interface Wrapping {
  /** Program and arguments put before `sh -c`. */
  prefix: string[];
  /**
   * Whether the prefix's process becomes the program's parent (`nsenter --pid`); else the script
   * prints the id.
   */
  isParent: boolean;
}

/**
 * Runs the program as a child and kills it when standard input ends. This process holds the other
 * end of that pipe, so the program ends with it, even after SIGKILL. Prints the program's process
 * id.
 */
const KILLED_WITH_STDIN = `log=$1; shift; exec 3<&0 </dev/null
"$@" >>"$log" 2>&1 3<&- & p=$!; echo $p
exec >/dev/null 2>&1
(read x <&3; kill -9 $p) & w=$!; exec 3<&-
wait $p; s=$?; kill $w; exit $s`;

/** Becomes the program. */
const REPLACED = `log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null`;

const running = new Set<string>();

/** Returns names of programs that were launched by this process and have not ended. */
export function stillLaunched(): string[] {
  return [...running];
}

/** Starts a program on this machine. It is killed when this process ends, in whatever way. */
export function launch(
  program: string,
  options: LaunchOptions,
): Promise<Launched> {
  return launchThrough({ prefix: [], isParent: false }, [
    program,
    ...options.args ?? [],
  ], options);
}

/**
 * Starts a program behind a prefix.
 * @throws {AranyaError} "internal" when it ends before its process id is known
 */
export async function launchThrough(
  wrapping: Wrapping,
  command: string[],
  options: LaunchOptions,
): Promise<Launched> {
  const { name, env, cwd, log } = options;
  const child = new Deno.Command("setsid", {
    args: [
      ...wrapping.prefix,
      ...["sh", "-c", wrapping.isParent ? REPLACED : KILLED_WITH_STDIN],
      ...["sh", log, ...command],
    ],
    ...defined({ env, cwd }),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const program = new Launched(child, options);
  try {
    await program.findPid(wrapping);
    return program;
  } catch (error) {
    child.kill("SIGKILL");
    await program.exited;
    throw new AranyaError(
      "internal",
      `Cannot start ${name}: it ended at once${await logTail(log)}`,
      { cause: error },
    );
  }
}

/** A program that was started by {@linkcode launch}. Disposing stops it. */
export class Launched implements AsyncDisposable {
  /** Name in messages. */
  readonly name: string;
  /** Path of the file that receives its output. */
  readonly log: string;
  /** Resolves with the exit code, 128 + n after signal n. */
  readonly exited: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #graceMs: number;
  #pid = 0;
  #isRunning = true;

  /** For {@linkcode launchThrough}. */
  constructor(child: Deno.ChildProcess, options: LaunchOptions) {
    this.name = options.name;
    this.log = options.log;
    this.#child = child;
    this.#graceMs = options.graceMs ?? 5000;
    this.#output = child.stdout.getReader();
    this.exited = this.#waitForExit(`${options.name} (process ${child.pid})`);
  }

  /** Process id as seen from this machine. */
  get pid(): number {
    return this.#pid;
  }

  /** Whether it has not ended. */
  get running(): boolean {
    return this.#isRunning;
  }

  /** Finds the program's process id; for {@linkcode launchThrough}. */
  async findPid({ isParent }: Wrapping): Promise<void> {
    this.#pid =
      await (isParent
        ? childOf(this.#child.pid, () => this.#isRunning)
        : readPid(this.#output));
  }

  /** Sends a signal; does nothing when the program has ended. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    if (!this.#isRunning) return;
    try {
      Deno.kill(this.#pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Stops it until {@linkcode thaw}; its connections stay open. */
  freeze(): void {
    this.kill("SIGSTOP");
  }

  /** Continues it. nsenter stops itself with its child, and is continued too. */
  thaw(): void {
    this.kill("SIGCONT");
    if (this.#isRunning) this.#child.kill("SIGCONT");
  }

  /**
   * Sends SIGTERM, and SIGKILL after the grace period; resolves with the exit code. May be called
   * again.
   */
  async stop(options: { graceMs?: number } = {}): Promise<number> {
    this.kill("SIGTERM");
    const controller = new AbortController();
    pause(options.graceMs ?? this.#graceMs, controller.signal).then(
      () => this.kill("SIGKILL"),
      () => {},
    );
    const code = await this.exited;
    controller.abort();
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #waitForExit(key: string): Promise<number> {
    running.add(key);
    // Held open until the program ends: its end would kill the program.
    const stdin = this.#child.stdin.getWriter();
    stdin.closed.catch(() => {});
    const { code } = await this.#child.status;
    this.#isRunning = false;
    running.delete(key);
    await stdin.close().catch(() => {});
    await this.#output.cancel().catch(() => {});
    return code;
  }
}

/**
 * Calls `check` until it returns true, as long as the program runs.
 * @throws {AranyaError} with the end of its log, when it ended ("unavailable") or time ran out
 * ("timed_out")
 */
export async function untilReady(
  program: Launched,
  check: () => Promise<boolean> | boolean,
  options: { what: string; timeoutMs?: number },
): Promise<void> {
  await until(async () => {
    if (!program.running) return "ended";
    return await check() ? "ready" : undefined;
  }, { ...options, detail: () => logTail(program.log) });
  if (!program.running) {
    throw new AranyaError(
      "unavailable",
      `Cannot start ${program.name}: it ended with code ${await program
        .exited}${await logTail(program.log)}`,
    );
  }
}

/** Returns the last lines of a log for a message, with its path in front. */
export async function logTail(path: string, lineCount = 15): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return `\n${path} ends with:\n${
    text.trimEnd().split("\n").slice(-lineCount).map((line) =>
      "  " + line.slice(0, 400)
    ).join("\n")
  }`;
}

async function readPid(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<number> {
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error("no process id");
    text += new TextDecoder().decode(value);
  }
  return Number(text);
}

/**
 * Waits until a process has a child, and returns its id.
 * @throws {Error} when the process ends first, or has none after 5 s
 */
export async function childOf(
  parent: number,
  isRunning: () => boolean,
): Promise<number> {
  const pid = await until(async () => {
    if (!isRunning()) return "ended";
    const text = await Deno.readTextFile(
      `/proc/${parent}/task/${parent}/children`,
    );
    return Number(text.trim().split(" ")[0]) || undefined;
  }, {
    what: `a child of process ${parent}`,
    intervalMs: 5,
    timeoutMs: 5000,
  });
  if (pid === "ended") throw new Error(`process ${parent} ended`);
  return pid;
}

// SPDX-License-Identifier: Apache-2.0
/** Long-running programs: started with a log file, stopped by their own process id, counted so that none is left. */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { pause, until } from "../base/wait.ts";

/** A program that runs. Disposing stops it. */
export interface Launched extends AsyncDisposable {
  /** What it is called in messages. */
  readonly name: string;
  /** Its process id as this machine counts. */
  readonly pid: number;
  /** Path of the file that takes its output. */
  readonly log: string;
  /** Resolves with the exit code, 128 + n after signal n. */
  readonly exited: Promise<number>;
  /** Whether it still runs. */
  readonly running: boolean;
  /** Sends a signal; nothing happens when it has ended. */
  kill(signal?: Deno.Signal): void;
  /** SIGTERM, then SIGKILL after the grace; resolves with the exit code. */
  stop(options?: { graceMs?: number }): Promise<number>;
}

/** How a program is started. */
export interface LaunchOptions {
  /** What it is called in messages. */
  name: string;
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** File that takes both outputs; appended to. */
  log: string;
  /** How long {@linkcode Launched.stop} waits after SIGTERM, in milliseconds. @default 5000 */
  graceMs?: number;
}

/** How {@linkcode launchThrough} gets at the program's process id. */
export interface Wrapping {
  /** Program and arguments put before a `sh -c`. */
  prefix: string[];
  /** Whether the wrapper is the program's parent (`nsenter --pid`); else the script prints the id. */
  isParent: boolean;
}

/** Runs the program and ends it when this process goes, however that happens: standard input is the rope. */
const WATCHED = `log=$1; shift; exec 3<&0 </dev/null
"$@" >>"$log" 2>&1 3<&- & p=$!; echo $p
exec >/dev/null 2>&1
(read x <&3; kill -9 $p) & w=$!; exec 3<&-
wait $p; s=$?; kill $w; exit $s`;

/** Becomes the program. */
const REPLACED = `log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null`;

const launched = new Set<string>();

/** The names of programs that were launched and have not ended. */
export function stillLaunched(): string[] {
  return [...launched];
}

/** Starts a program, with nothing around it but what ends it together with this process. */
export function launch(
  program: string,
  options: LaunchOptions,
): Promise<Launched> {
  return launchThrough({ prefix: [], isParent: false }, [
    program,
    ...options.args ?? [],
  ], options);
}

/** Starts a program behind a wrapper, see {@linkcode Wrapping}. */
export async function launchThrough(
  wrapping: Wrapping,
  command: string[],
  options: LaunchOptions,
): Promise<Launched> {
  const { name, env, cwd, log, graceMs = 5000 } = options;
  const child = new Deno.Command("setsid", {
    args: [
      ...wrapping.prefix,
      "sh",
      "-c",
      wrapping.isParent ? REPLACED : WATCHED,
      "sh",
      log,
      ...command,
    ],
    ...(env ? { env } : {}),
    ...(cwd ? { cwd } : {}),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const key = `${name} (process ${child.pid})`;
  launched.add(key);
  let running = true;
  const rope = child.stdin.getWriter();
  rope.closed.catch(() => {});
  const output = child.stdout.getReader();
  let draining: Promise<void> = Promise.resolve();
  const exited = child.status.then(async (status) => {
    running = false;
    launched.delete(key);
    await rope.close().catch(() => {});
    await output.cancel().catch(() => {});
    await draining;
    return status.code;
  });
  const pid =
    await (wrapping.isParent
      ? childOf(child.pid, () => running)
      : readPid(output)).catch(async (error) => {
        child.kill("SIGKILL");
        await exited;
        throw new AranyaError(
          "internal",
          `Cannot start ${name}: it ended at once${await logTail(log)}`,
          { cause: error },
        );
      });
  if (wrapping.isParent) draining = Promise.resolve();
  const kill = (signal: Deno.Signal = "SIGTERM") => {
    if (!running) return;
    try {
      Deno.kill(pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  };
  const stop = async (end: { graceMs?: number } = {}) => {
    kill("SIGTERM");
    const controller = new AbortController();
    pause(end.graceMs ?? graceMs, controller.signal).then(
      () => kill("SIGKILL"),
      () => {},
    );
    const code = await exited;
    controller.abort();
    return code;
  };
  return {
    name,
    pid,
    log,
    exited,
    get running() {
      return running;
    },
    kill,
    stop,
    [Symbol.asyncDispose]: async () => void await stop(),
  };
}

/**
 * Waits until `look` is satisfied, as long as the program runs.
 * @throws {AranyaError} with the end of its log when it ended or time ran out
 */
export async function untilReady(
  program: Launched,
  look: () => Promise<boolean> | boolean,
  options: { what: string; timeoutMs?: number },
): Promise<void> {
  await until(async () => {
    if (!program.running) return "ended";
    return await look() ? "ready" : undefined;
  }, { ...options, detail: () => logTail(program.log) });
  if (!program.running) {
    throw new AranyaError(
      "unavailable",
      `Cannot start ${program.name}: it ended with code ${await program
        .exited}${await logTail(program.log)}`,
    );
  }
}

/** The last lines of a log, for messages, with the path in front. */
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

async function childOf(
  parent: number,
  isRunning: () => boolean,
): Promise<number> {
  return await until(async () => {
    if (!isRunning()) throw new Error("the wrapper ended");
    const text = await Deno.readTextFile(
      `/proc/${parent}/task/${parent}/children`,
    );
    return Number(text.trim().split(" ")[0]) || undefined;
  }, {
    what: `the program behind process ${parent}`,
    intervalMs: 5,
    timeoutMs: 5000,
  });
}

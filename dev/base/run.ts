// SPDX-License-Identifier: Apache-2.0
/** Runs other programs to their end and collects their output. */
import { AranyaError, defined, onAbort } from "../../lib/shared/base/mod.ts";

/** Options of {@linkcode run}. */
export interface RunOptions {
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Written to standard input, which is then closed. */
  stdin?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  /** Kills the program after this many milliseconds. @default 60000 */
  timeoutMs?: number;
  /** Kills the program; {@linkcode run} then throws the signal's reason. */
  signal?: AbortSignal;
}

/** Exit code and output of a program. */
export interface RunResult {
  /** Exit code; 128 + n after signal n. */
  code: number;
  stdout: string;
  stderr: string;
  /** Standard output, not decoded. */
  stdoutBytes: Uint8Array;
}

/**
 * Runs a program to its end and returns its output, whatever its exit code.
 * @throws {AranyaError} "not_found" when there is no such program, "timed_out"
 */
export async function tryRun(
  program: string,
  options: RunOptions = {},
): Promise<RunResult> {
  const { args = [], env, cwd, stdin, timeoutMs = 60_000, signal } = options;
  const controller = new AbortController();
  using _listener = onAbort(signal, (reason) => controller.abort(reason));
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    const child = new Deno.Command(program, {
      args,
      ...defined({ env, cwd }),
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      signal: controller.signal,
    }).spawn();
    const feeding = stdin === undefined
      ? undefined
      : toStream(stdin).pipeTo(child.stdin).catch(() => {});
    const output = await child.output();
    await feeding;
    signal?.throwIfAborted();
    if (controller.signal.aborted) {
      throw new AranyaError(
        "timed_out",
        `Cannot run ${program} ${
          args.join(" ")
        }: still running after ${timeoutMs} ms${tail(decode(output.stderr))}`,
      );
    }
    return {
      code: output.code,
      stdout: decode(output.stdout),
      stderr: decode(output.stderr),
      stdoutBytes: output.stdout,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new AranyaError(
        "not_found",
        `Cannot run ${program}: it is not installed`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a program to its end and returns its standard output.
 * @throws {AranyaError} "internal" with the end of its standard error when the exit code is not 0
 */
export async function run(
  program: string,
  options: RunOptions = {},
): Promise<string> {
  const result = await tryRun(program, options);
  if (result.code !== 0) {
    throw new AranyaError(
      "internal",
      `Cannot run ${program} ${
        (options.args ?? []).join(" ")
      }: exit code ${result.code}${tail(result.stderr || result.stdout)}`,
    );
  }
  return result.stdout;
}

/** Returns the path of a program on PATH, or undefined. */
export async function findOnPath(program: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${program}`;
    const info = await Deno.stat(path).catch(() => undefined);
    if (info?.isFile && ((info.mode ?? 0) & 0o111)) return path;
  }
  return undefined;
}

function toStream(
  input: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  return input instanceof ReadableStream
    ? input
    : new Blob([input]).stream() as ReadableStream<Uint8Array>;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The last lines of a text, behind a colon; empty for an empty text. */
function tail(text: string): string {
  const lines = text.trim().split("\n").slice(-12).join("\n");
  return lines ? `: ${lines}` : "";
}

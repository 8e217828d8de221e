// SPDX-License-Identifier: Apache-2.0
/** Programs of the machine that are run for their output. */
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  onAbort,
} from "../../shared/base/mod.ts";

const MAX_OUTPUT_BYTES = 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 10_000;

/** Options of {@linkcode spawnProgram}. */
export interface SpawnProgramOptions {
  args: string[];
  /** The whole environment of the program. */
  env: Readonly<Record<string, string>>;
}

/** Options of {@linkcode runProgram}. */
export interface RunProgramOptions extends SpawnProgramOptions {
  /** Kills the program after this time, in milliseconds. @default 10000 */
  timeoutMs?: number;
  /** Kills the program. */
  signal?: AbortSignal | undefined;
}

/** Result of a program. */
export interface ProgramResult {
  /** Exit code; any code is a result, not an error. */
  code: number;
  /** At most the first MiB of its standard output. */
  output: string;
}

/**
 * Runs a program to its end.
 * @throws {AranyaError} code "not_found" when it is not on the device, "timed_out"; the signal's
 * reason when it is aborted
 */
export async function runProgram(
  name: string,
  options: RunProgramOptions,
): Promise<ProgramResult> {
  const { args, env, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const child = spawnProgram(name, { args, env });
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    killProgram(child);
  }, timeoutMs);
  using _listener = onAbort(signal, () => killProgram(child));
  try {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of child.stdout) {
      size += chunk.length;
      if (size <= MAX_OUTPUT_BYTES) parts.push(chunk);
    }
    const { code } = await child.status;
    signal?.throwIfAborted();
    if (isTimedOut) {
      throw new AranyaError(
        "timed_out",
        `Cannot run "${name}": no end after ${timeoutMs} ms`,
      );
    }
    return { code, output: fromUtf8(concatBytes(parts)) };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts a program whose standard output the caller reads; it has no input, and its standard error
 * is discarded.
 * @throws {AranyaError} code "not_found" when it is not on the device, "forbidden" when the agent
 * has no permission to run it
 */
export function spawnProgram(
  name: string,
  { args, env }: SpawnProgramOptions,
): Deno.ChildProcess {
  try {
    return new Deno.Command(name, {
      args,
      env: { ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new AranyaError(
        "not_found",
        `Cannot run "${name}": no such program on the device`,
        { cause: error },
      );
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new AranyaError(
        "forbidden",
        `Cannot run "${name}": the agent's permission set doesn't allow it`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** Kills a program; does nothing when it has exited. */
export function killProgram(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    const hasExited = error instanceof TypeError ||
      error instanceof Deno.errors.NotFound;
    if (!hasExited) throw error;
  }
}

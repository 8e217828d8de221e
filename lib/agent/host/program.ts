// SPDX-License-Identifier: Apache-2.0
/** Small programs of the machine, run for what they print. */
import { AranyaError, concatBytes, fromUtf8 } from "../../shared/base/mod.ts";

const MAX_OUTPUT_BYTES = 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 10_000;

/** Options of {@linkcode runProgram}. */
export interface RunProgramOptions {
  args: string[];
  env: Readonly<Record<string, string>>;
  /** @default 10 000 */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

/** How a program ended, with the beginning of its standard output. */
export interface ProgramResult {
  code: number;
  output: string;
}

/**
 * Runs a program to its end; killed at the deadline.
 * @throws {AranyaError} "not_found" when there is no such program, "timed_out"
 */
export async function runProgram(
  name: string,
  options: RunProgramOptions,
): Promise<ProgramResult> {
  const { args, env, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  const child = spawnProgram(name, { args, env });
  const end = () => kill(child);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end();
  }, timeoutMs);
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted) end();
  try {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of child.stdout) {
      size += chunk.length;
      if (size <= MAX_OUTPUT_BYTES) parts.push(chunk);
    }
    const { code } = await child.status;
    signal?.throwIfAborted();
    if (late) {
      throw new AranyaError(
        "timed_out",
        `Cannot run "${name}": it did not end within ${timeoutMs} ms`,
      );
    }
    return { code, output: fromUtf8(concatBytes(parts)) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** Starts a program whose standard output is read by the caller. @throws {AranyaError} "not_found" when there is no such program */
export function spawnProgram(
  name: string,
  options: { args: string[]; env: Readonly<Record<string, string>> },
): Deno.ChildProcess {
  try {
    return new Deno.Command(name, {
      args: options.args,
      env: { ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new AranyaError(
        "not_found",
        `Cannot run "${name}": there is no such program on the device`,
        { cause: error },
      );
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new AranyaError(
        "forbidden",
        `Cannot run "${name}": the agent's permission set does not allow it`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** Ends a program; one that has ended already is left alone. */
export function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended meanwhile.
    if (
      !(error instanceof TypeError || error instanceof Deno.errors.NotFound)
    ) {
      throw error;
    }
  }
}

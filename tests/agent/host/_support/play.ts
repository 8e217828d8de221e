// SPDX-License-Identifier: Apache-2.0
/** A client for host commands: plays its input, keeps what comes. */
import {
  concatBytes,
  fromUtf8,
  utf8,
} from "../../../../lib/shared/base/mod.ts";
import type { ExecIo } from "../../../../lib/shared/exec/mod.ts";

/** What the client does. */
export interface PlayOptions {
  /** Sent one after the other, then the end. Absent: no stdin. */
  input?: (string | Uint8Array)[];
  sizes?: { width: number; height: number }[];
  /** Takes its time with every chunk. */
  slow?: boolean;
}

/** See {@linkcode play}. */
export interface Played {
  io: ExecIo;
  hasInput: boolean;
  stdout(): string;
  stderr(): string;
  /** stdout as it came. */
  bytes(): Uint8Array;
  leave(): void;
}

const DEADLINE_MS = 10_000;

/** Makes a client. */
export function play(options: PlayOptions = {}): Played {
  const outputs: Record<"stdout" | "stderr", Uint8Array[]> = {
    stdout: [],
    stderr: [],
  };
  const controller = new AbortController();
  const keep = (name: "stdout" | "stderr") => async (chunk: Uint8Array) => {
    if (options.slow) await new Promise((resolve) => setTimeout(resolve, 1));
    outputs[name].push(chunk);
  };
  return {
    io: {
      stdin: each(
        (options.input ?? []).map((one) =>
          typeof one === "string" ? utf8(one) : one
        ),
      ),
      stdout: keep("stdout"),
      stderr: keep("stderr"),
      resizes: each(options.sizes ?? []),
      signal: controller.signal,
    },
    hasInput: options.input !== undefined,
    stdout: () => fromUtf8(concatBytes(outputs.stdout)),
    stderr: () => fromUtf8(concatBytes(outputs.stderr)),
    bytes: () => concatBytes(outputs.stdout),
    leave: () => controller.abort(),
  };
}

async function* each<T>(items: T[]): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

/** Resolves when this holds. @throws {Error} after ten seconds */
export async function until(
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!await holds()) {
    if (performance.now() > endMs) throw new Error(`waited for ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

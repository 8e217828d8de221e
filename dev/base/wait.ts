// SPDX-License-Identifier: Apache-2.0
/** Waiting for a condition of the world outside, always with a deadline. */
import { AranyaError, SYSTEM_CLOCK } from "../../lib/shared/base/mod.ts";

/** Options of {@linkcode until}. */
export interface UntilOptions {
  /** What is awaited, for the error's text: `Cannot see <what>: …`. */
  what: string;
  /** Gives up after this many milliseconds. @default 30000 */
  timeoutMs?: number;
  /** Looks again this many milliseconds after the last look. @default 100 */
  intervalMs?: number;
  /** Ends the wait early. */
  signal?: AbortSignal;
  /** Said beside the time-out, e.g. the end of a log. */
  detail?: () => Promise<string> | string;
}

/**
 * Calls `look` until it gives something other than `undefined` or `false`, and returns that.
 * What `look` throws counts as "not yet" and is named when time runs out.
 * @throws {AranyaError} code "timed_out"
 */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  options: UntilOptions,
): Promise<T> {
  const { what, timeoutMs = 30_000, intervalMs = 100, signal, detail } =
    options;
  const endMs = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) break;
    await pause(intervalMs, signal);
  }
  const more = last instanceof Error ? `: ${last.message}` : "";
  const extra = detail ? `\n${await detail()}` : "";
  throw new AranyaError(
    "timed_out",
    `Cannot see ${what}: not there after ${timeoutMs} ms${more}${extra}`,
  );
}

/** Resolves after `ms`, or rejects when the signal is aborted. Only loops that look again use it. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return SYSTEM_CLOCK.sleep(ms, signal ? { signal } : {});
}

// SPDX-License-Identifier: Apache-2.0
/** Waiting for a condition outside this code's control, always with a deadline. */
import { AranyaError, SYSTEM_CLOCK } from "../../lib/shared/base/mod.ts";

/** Options of {@linkcode until}. */
export interface UntilOptions {
  /** Noun phrase for the error's text, e.g. "a ready API server". @default the source of `check` */
  what?: string;
  /** Gives up after this many milliseconds. @default 30000 */
  timeoutMs?: number;
  /** Pause between two checks, in milliseconds. @default grows from 5 to 100 */
  intervalMs?: number;
  /** Ends the wait early. */
  signal?: AbortSignal;
  /** Returns a text that is appended to the time-out's message, e.g. the end of a log. */
  detail?: () => Promise<string> | string;
}

const FIRST_INTERVAL_MS = 5;
const MAX_INTERVAL_MS = 100;

/**
 * Calls `check` until it returns something other than `undefined` or `false`, and returns that.
 * An error thrown by `check` counts as "not yet"; the last one is named when time runs out.
 * @param options a text is the same as `{ what: text }`
 * @throws {AranyaError} code "timed_out"
 */
export async function until<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  options: UntilOptions | string = {},
): Promise<T> {
  const {
    what = String(check),
    timeoutMs = 30_000,
    intervalMs,
    signal,
    detail,
  } = typeof options === "string" ? { what: options } : options;
  const endMs = performance.now() + timeoutMs;
  let pauseMs = intervalMs ?? FIRST_INTERVAL_MS;
  let last: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const result = await check();
      if (result !== undefined && result !== false) return result;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) break;
    await pause(pauseMs, signal);
    if (intervalMs === undefined) {
      pauseMs = Math.min(2 * pauseMs, MAX_INTERVAL_MS);
    }
  }
  const reason = last instanceof Error ? `: ${last.message}` : "";
  const extra = detail ? `\n${await detail()}` : "";
  throw new AranyaError(
    "timed_out",
    `Cannot observe ${what}: not observed within ${timeoutMs} ms${reason}${extra}`,
  );
}

/**
 * Resolves after `ms` milliseconds, or rejects when the signal is aborted.
 * For loops that check a condition again; tests wait with {@linkcode until}.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return SYSTEM_CLOCK.sleep(ms, signal ? { signal } : {});
}

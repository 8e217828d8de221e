// SPDX-License-Identifier: Apache-2.0
/** Bounds on waiting: nothing in this project waits for ever. */
import { AranyaError } from "./errors.ts";

/** Options of {@linkcode withDeadline}. */
export interface WithDeadlineOptions {
  /** How long, in milliseconds. */
  timeoutMs: number;
  /** `Cannot <verb> <object>`, for the error's text. */
  action: string;
  /** Ends the work early. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with a signal that is aborted after the time or with the caller's signal.
 * Returns at the deadline even when `work` does not heed its signal.
 * @throws {AranyaError} code "timed_out" after the time; the signal's reason when it was aborted
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  options: WithDeadlineOptions,
): Promise<T> {
  const { timeoutMs, action, signal } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown) => {
    controller.abort(reason);
    reject(reason);
  };
  const onAbort = () => end(signal?.reason);
  const timer = setTimeout(
    () =>
      end(
        new AranyaError(
          "timed_out",
          `${action}: no answer after ${timeoutMs} ms`,
        ),
      ),
    timeoutMs,
  );
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work(controller.signal), ended]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

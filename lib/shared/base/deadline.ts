// SPDX-License-Identifier: Apache-2.0
/** Bounds on waiting: every wait in this project has one. */
import { onAbort } from "./abort.ts";
import { AranyaError } from "./errors.ts";

/** Options of {@linkcode withDeadline}. */
export interface WithDeadlineOptions {
  /** Upper bound of the wait, in milliseconds. */
  timeoutMs: number;
  /** `Cannot <verb> <object>`, for the error's text. */
  action: string;
  /** Ends the work early. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with a signal that is aborted at the deadline or with the caller's signal.
 * Returns at the deadline even when `work` does not heed its signal.
 * @throws {AranyaError} code "timed_out" at the deadline; the signal's reason when it was aborted
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  options: WithDeadlineOptions,
): Promise<T> {
  const { timeoutMs, action, signal } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (reason: unknown) => {
    controller.abort(reason);
    reject(reason);
  };
  using _listener = onAbort(signal, stop);
  const timer = setTimeout(() => {
    stop(
      new AranyaError(
        "timed_out",
        `${action}: no answer after ${timeoutMs} ms`,
      ),
    );
  }, timeoutMs);
  try {
    return await Promise.race([work(controller.signal), stopped]);
  } finally {
    clearTimeout(timer);
  }
}

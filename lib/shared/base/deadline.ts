// SPDX-License-Identifier: Apache-2.0
/** Bounds on waiting: every wait in this project has one. */
import { onAbort } from "./abort.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { AranyaError } from "./errors.ts";

/** Options of {@linkcode withDeadline}. */
export interface WithDeadlineOptions {
  /** Upper bound of the wait, in milliseconds. */
  timeoutMs: number;
  /** `Cannot <verb> <object>`, for the error's text. */
  action: string;
  /** Ends the work early. */
  signal?: AbortSignal | undefined;
  /** Measures the time. @default SYSTEM_CLOCK */
  clock?: Clock | undefined;
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
  const { timeoutMs, action, signal, clock = SYSTEM_CLOCK } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (reason: unknown) => {
    controller.abort(reason);
    reject(reason);
  };
  using _listener = onAbort(signal, stop);
  const settled = new AbortController();
  clock.sleep(timeoutMs, { signal: settled.signal }).then(() => {
    stop(
      new AranyaError(
        "timed_out",
        `${action}: no answer after ${timeoutMs} ms`,
      ),
    );
  }, () => {});
  try {
    return await Promise.race([work(controller.signal), stopped]);
  } finally {
    settled.abort();
  }
}

/** Options of {@linkcode waitAtMost}. */
export interface WaitAtMostOptions {
  /** Upper bound of the wait, in milliseconds. */
  timeoutMs: number;
  /** Measures the time. @default SYSTEM_CLOCK */
  clock?: Clock | undefined;
}

/**
 * Waits until `work` settles or the time has passed. Never rejects; the work itself is not stopped.
 */
export async function waitAtMost(
  work: Promise<unknown>,
  { timeoutMs, clock = SYSTEM_CLOCK }: WaitAtMostOptions,
): Promise<void> {
  const settled = new AbortController();
  const timeout = clock.sleep(timeoutMs, { signal: settled.signal });
  await Promise.race([work.catch(() => {}), timeout.catch(() => {})]);
  settled.abort();
}

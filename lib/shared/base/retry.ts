// SPDX-License-Identifier: Apache-2.0
/** Retries of work that depends on a server which may be away. */
import { createBackoff } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { asAranyaError } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Options of {@linkcode retryUntilSuccess}. */
export interface RetryUntilSuccessOptions {
  /** What `work` gets, for the log, e.g. "the API server's version". */
  object: string;
  log: Logger;
  clock: Clock;
  /** Ends the retries. */
  signal: AbortSignal;
}

/**
 * Calls `work` until it succeeds, with growing delays of at most 15 s, and returns its result.
 * An error is logged when it differs from that of the attempt before.
 * @throws the signal's reason when it is aborted
 */
export async function retryUntilSuccess<T>(
  work: () => Promise<T>,
  { object, log, clock, signal }: RetryUntilSuccessOptions,
): Promise<T> {
  const backoff = createBackoff({
    initialDelayMs: 500,
    maxDelayMs: 15_000,
    jitter: 0.3,
  });
  let loggedMessage = "";
  for (;;) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const { message, code } = asAranyaError(error, `Cannot get ${object}`);
      if (message !== loggedMessage) {
        const severity = code === "unavailable" || code === "timed_out"
          ? "warn"
          : "error";
        log[severity]("prerequisite is not available, will retry", {
          object,
          error,
        });
        loggedMessage = message;
      }
    }
    await clock.sleep(backoff.next(), { signal });
  }
}

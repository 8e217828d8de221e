// SPDX-License-Identifier: Apache-2.0
/** Goes on trying what must work some time: servers come back, rights are granted, objects are repaired. */
import { createBackoff } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { asAranyaError } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Options of {@linkcode persist}. */
export interface PersistOptions {
  /** For the log: what waits for it. */
  waiting: string;
  log: Logger;
  clock: Clock;
  signal: AbortSignal;
}

/** Calls until it works; each new trouble is logged once. @throws the signal's reason when it is aborted */
export async function persist<T>(
  work: () => Promise<T>,
  { waiting, log, clock, signal }: PersistOptions,
): Promise<T> {
  const backoff = createBackoff({
    initialDelayMs: 500,
    maxDelayMs: 15_000,
    jitter: 0.3,
  });
  let said = "";
  for (;;) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const { message, code } = asAranyaError(error, `Cannot get ${waiting}`);
      if (message !== said) {
        const severity = code === "unavailable" || code === "timed_out"
          ? "warn"
          : "error";
        log[severity]("waiting", { object: waiting, error });
        said = message;
      }
    }
    await clock.sleep(backoff.next(), { signal });
  }
}

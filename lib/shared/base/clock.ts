// SPDX-License-Identifier: Apache-2.0
/** Time as a dependency, so that tests can control it. */
import { onAbort } from "./abort.ts";

/** Source of time and delays. Timers use the monotonic time: a device may boot in 1970. */
export interface Clock {
  /** Returns milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Returns milliseconds since 1970, for timestamps that users read. */
  wallMs(): number;
  /** Resolves after the delay. @throws the signal's reason when it is aborted first */
  sleep(delayMs: number, options?: { signal?: AbortSignal }): Promise<void>;
}

/** The longest delay of a timer, about 25 days; a longer one would end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. Sleeps end after 25 days at the latest. */
export const SYSTEM_CLOCK: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  async sleep(delayMs, { signal } = {}) {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.min(delayMs, MAX_TIMER_MS));
    using _listener = onAbort(signal, reject);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  },
};

// SPDX-License-Identifier: Apache-2.0
/** Time as something handed in, so that tests can hold it. Timers use the monotonic one: devices may start in 1970. */

/** Time and waiting. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for what users read. */
  wallMs(): number;
  /** Waits. @throws the signal's reason when it is aborted first */
  sleep(delayMs: number, options?: { signal?: AbortSignal }): Promise<void>;
}

/** The machine's own clock. */
export const SYSTEM_CLOCK: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep(delayMs, { signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, delayMs);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};

// SPDX-License-Identifier: Apache-2.0
/** Notifies a loop that waits for new work. */
import { onAbort } from "./abort.ts";

/**
 * Carries notifications from many producers to one waiting loop, like a Go channel of capacity 1:
 * notifications that come while the loop is busy count as one, and the next `wait` returns at once.
 * The work itself is kept elsewhere; the loop reads it anew after each `wait`.
 *
 * @example
 * ```ts
 * for (;;) {
 *   const item = queue.shift();
 *   if (item) return item;
 *   await notifier.wait(signal);
 * }
 * ```
 */
export class Notifier {
  #isNotified = false;
  #resolveWait: (() => void) | undefined;

  /** Ends the current `wait`, or the next one. */
  notify(): void {
    this.#isNotified = true;
    this.#resolveWait?.();
  }

  /**
   * Resolves after the next `notify`, or at once when there was one since the last `wait`.
   * One caller at a time.
   * @throws the signal's reason when it is aborted first; the notification is then kept
   */
  async wait(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.#isNotified) await this.#waitForNotify(signal);
    this.#isNotified = false;
  }

  async #waitForNotify(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#resolveWait = resolve;
    // Loops wait once per packet: without a signal they pay for no listener.
    using _listener = signal && onAbort(signal, reject);
    try {
      await promise;
    } finally {
      this.#resolveWait = undefined;
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Updates of thousands of servers, one in each turn of the event loop. */
import type { Clock } from "../../shared/base/mod.ts";

/**
 * Calls `update` for each added key, one per turn of the event loop: a new TLS context takes
 * milliseconds, and thousands of them in one turn would keep Leases from being renewed. The first
 * key is updated at once. A key that is added again before its turn is updated once.
 */
export class PacedUpdates {
  readonly #update: (key: string) => void;
  readonly #clock: Clock;
  readonly #keys = new Set<string>();
  #isRunning = false;

  /** @param update must not throw */
  constructor(
    { update, clock }: { update: (key: string) => void; clock: Clock },
  ) {
    this.#update = update;
    this.#clock = clock;
  }

  /** Plans the update of keys. */
  add(keys: Iterable<string>): void {
    for (const key of keys) this.#keys.add(key);
    if (!this.#isRunning) void this.#run();
  }

  /** Drops a key that was not updated yet. */
  delete(key: string): void {
    this.#keys.delete(key);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (const key of this.#keys) {
      this.#keys.delete(key);
      this.#update(key);
      await this.#clock.sleep(0);
    }
    this.#isRunning = false;
  }
}

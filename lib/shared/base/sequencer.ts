// SPDX-License-Identifier: Apache-2.0
/** Mutual exclusion by key. */

/**
 * Runs tasks of the same key one after the other, in the order of the calls.
 * Tasks of different keys run concurrently.
 */
export class Sequencer<Key = string> {
  readonly #last = new Map<Key, Promise<void>>();

  /** Number of keys with a task that runs or waits. */
  get size(): number {
    return this.#last.size;
  }

  /**
   * Runs `task` after all earlier tasks of this key, whether these succeeded or failed.
   * Returns what `task` returns.
   */
  async run<T>(key: Key, task: () => Promise<T>): Promise<T> {
    const earlier = this.#last.get(key) ?? Promise.resolve();
    const result = earlier.then(task);
    const done = result.then(() => {}, () => {});
    this.#last.set(key, done);
    try {
      return await result;
    } finally {
      if (this.#last.get(key) === done) this.#last.delete(key);
    }
  }

  /** Resolves when all tasks that were passed to `run` before this call have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

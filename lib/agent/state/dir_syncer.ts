// SPDX-License-Identifier: Apache-2.0
/** Flushes of directories that are shared by many writers. */
import { syncDir } from "./disk.ts";

interface RunningSync {
  done: Promise<void>;
  /** The sync that starts after this one, once a caller asked for it. */
  next?: Promise<void>;
}

/**
 * Syncs directories so that one sync serves all writers that finished before it began: writing a
 * hundred pods costs a few syncs rather than a hundred.
 */
export class DirSyncer {
  readonly #sync: (dir: string) => Promise<void>;
  readonly #running = new Map<string, RunningSync>();

  /** `sync` flushes one directory. @default syncDir */
  constructor(sync: (dir: string) => Promise<void> = syncDir) {
    this.#sync = sync;
  }

  /**
   * Flushes a directory. Resolves after a sync that began after this call.
   * @throws what the file system reports
   */
  sync(dir: string): Promise<void> {
    const running = this.#running.get(dir);
    if (!running) return this.#start(dir);
    running.next ??= running.done.catch(() => {}).then(() => this.#start(dir));
    return running.next;
  }

  #start(dir: string): Promise<void> {
    const running: RunningSync = { done: this.#sync(dir) };
    this.#running.set(dir, running);
    const remove = () => {
      // With a next sync the entry is replaced by that one.
      if (!running.next) this.#running.delete(dir);
    };
    running.done.then(remove, remove);
    return running.done;
  }
}

// SPDX-License-Identifier: Apache-2.0
/** A state store in a directory of its own. */
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createSeal,
  loadStateKey,
  openStore,
  type StateStore,
} from "../../../lib/agent/state/mod.ts";

/** A real store; its directory is removed when it is disposed. */
export class TemporaryStore implements AsyncDisposable {
  readonly dir: string;
  readonly store: StateStore;

  private constructor(dir: string, store: StateStore) {
    this.dir = dir;
    this.store = store;
  }

  static async open(): Promise<TemporaryStore> {
    const dir = await Deno.makeTempDir();
    const store = await openStore({
      dir: `${dir}/state`,
      seal: createSeal(
        await loadStateKey(`${dir}/key`, {
          stateDir: `${dir}/state`,
          signal: new AbortController().signal,
        }),
      ),
      log: SILENT_LOGGER,
    });
    return new TemporaryStore(dir, store);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

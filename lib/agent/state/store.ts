// SPDX-License-Identifier: Apache-2.0
/** The records of one agent: read at the start, written when they change, sealed. */
import { AranyaError, type Logger, sha256Hex } from "../../shared/base/mod.ts";
import { ASIDE_SUFFIX, fromDiskError, replaceFile, syncDir } from "./disk.ts";
import type { Seal } from "./seal.ts";

/** What kinds of records there are; each has a folder. */
export type RecordKind = "pod" | "setting" | "blob";

/** Which record. The key is a file name: letters, digits, `.`, `_` and `-`. */
export interface RecordName {
  /** Its folder. */
  kind: RecordKind;
  /** Its file. */
  key: string;
}

/** A file that could not be used and was set aside. */
export interface DamagedRecord extends RecordName {
  /** Where it lies now. */
  path: string;
}

/** See {@linkcode openStore}. Calls about the same record take effect in their order. */
export interface StateStore {
  /** Where it lies. */
  readonly dir: string;
  /** What was found torn since the start. */
  readonly damaged: readonly DamagedRecord[];
  /** Keys of this kind. */
  keys(kind: RecordKind): string[];
  /** The record's bytes; undefined when there is none or it was torn, which is then reported. */
  read(name: RecordName): Promise<Uint8Array | undefined>;
  /**
   * Has the record hold these bytes; resolves when they would survive a power cut. Nothing is written when it holds them already.
   * @throws {AranyaError} code "internal" when the disk refuses (full, read-only); the old content is then still there
   */
  write(name: RecordName, content: Uint8Array): Promise<void>;
  /** Has the record gone. */
  remove(name: RecordName): Promise<void>;
  /** Removes blobs that are not in the set and gives their number. Those written while it runs are kept. */
  collectBlobs(keep: ReadonlySet<string>): Promise<number>;
}

/** Options of {@linkcode openStore}. */
export interface OpenStoreOptions {
  /** The state directory; held by `lockStateDir`. */
  dir: string;
  /** Seals and opens its records. */
  seal: Seal;
  /** Told of damaged records. */
  log: Logger;
}

const FOLDERS: Record<RecordKind, string> = {
  pod: "pods",
  setting: "settings",
  blob: "blobs",
};
const KINDS: RecordKind[] = ["pod", "setting", "blob"];
const MAX_DAMAGED_KEPT = 16;

/**
 * Opens the records in a directory. Pods and settings are all read once, to find torn ones now; blobs when they are used.
 * @throws {AranyaError} code "internal" when the directory can't be written
 */
export async function openStore(
  options: OpenStoreOptions,
): Promise<StateStore> {
  const store = new Store(options);
  await store.load();
  return store;
}

class Store implements StateStore {
  readonly dir: string;
  readonly damaged: DamagedRecord[] = [];
  readonly #seal: Seal;
  readonly #log: Logger;
  /** Hash of the content by path; blobs carry it as their key, so theirs is not kept. */
  readonly #known: Record<RecordKind, Map<string, string>> = {
    pod: new Map(),
    setting: new Map(),
    blob: new Map(),
  };
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #dirSyncs = new Map<
    string,
    { running: Promise<void>; next?: Promise<void> | undefined }
  >();

  constructor(options: OpenStoreOptions) {
    this.dir = options.dir;
    this.#seal = options.seal;
    this.#log = options.log;
  }

  async load(): Promise<void> {
    try {
      for (const kind of KINDS) {
        const folder = `${this.dir}/${FOLDERS[kind]}`;
        await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
        for await (const entry of Deno.readDir(folder)) {
          if (!entry.isFile) continue;
          if (entry.name.endsWith(ASIDE_SUFFIX)) {
            await Deno.remove(`${folder}/${entry.name}`);
          } else this.#known[kind].set(entry.name, "");
        }
      }
    } catch (error) {
      throw fromDiskError(error, `Cannot use state directory "${this.dir}"`);
    }
    for (const kind of ["pod", "setting"] as const) {
      for (const key of this.keys(kind)) await this.read({ kind, key });
    }
  }

  keys(kind: RecordKind): string[] {
    return [...this.#known[kind].keys()];
  }

  read(name: RecordName): Promise<Uint8Array | undefined> {
    return this.#inTurn(name, async () => {
      if (!this.#known[name.kind].has(name.key)) return undefined;
      const content = await this.#readSealed(name);
      const hash = content === undefined ? "" : await sha256Hex(content);
      if (
        content === undefined || (name.kind === "blob" && hash !== name.key)
      ) {
        await this.#setAside(name);
        return undefined;
      }
      if (name.kind !== "blob") this.#known[name.kind].set(name.key, hash);
      return content;
    });
  }

  write(name: RecordName, content: Uint8Array): Promise<void> {
    return this.#inTurn(name, async () => {
      const action = `Cannot write ${name.kind} "${name.key}" to state`;
      const known = this.#known[name.kind];
      const hash = await sha256Hex(content);
      if (name.kind === "blob" && hash !== name.key) {
        throw new AranyaError(
          "invalid",
          `${action}: its content has SHA-256 ${hash}`,
        );
      }
      if (
        name.kind === "blob"
          ? known.has(name.key)
          : known.get(name.key) === hash
      ) return;
      try {
        const sealed = this.#seal.seal(labelOf(name), content);
        await replaceFile({ path: this.#pathOf(name), content: sealed });
        known.set(name.key, name.kind === "blob" ? "" : hash);
        await this.#syncFolder(name.kind);
      } catch (error) {
        throw fromDiskError(error, action);
      }
    });
  }

  remove(name: RecordName): Promise<void> {
    return this.#inTurn(name, async () => {
      if (!this.#known[name.kind].has(name.key)) return;
      try {
        await Deno.remove(this.#pathOf(name));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) {
          throw fromDiskError(
            error,
            `Cannot remove ${name.kind} "${name.key}" from state`,
          );
        }
      }
      this.#known[name.kind].delete(name.key);
      await this.#syncFolder(name.kind);
    });
  }

  async collectBlobs(keep: ReadonlySet<string>): Promise<number> {
    const old = this.keys("blob").filter((key) => !keep.has(key));
    for (const key of old) await this.remove({ kind: "blob", key });
    return old.length;
  }

  /** @throws {AranyaError} when the file is there and can't be read */
  async #readSealed(name: RecordName): Promise<Uint8Array | undefined> {
    let sealed: Uint8Array;
    try {
      sealed = await Deno.readFile(this.#pathOf(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw fromDiskError(
        error,
        `Cannot read ${name.kind} "${name.key}" from state`,
      );
    }
    return this.#seal.open(labelOf(name), sealed);
  }

  /** Keeps what does not open where a person can look at it, out of the way. */
  async #setAside(name: RecordName): Promise<void> {
    const folder = `${this.dir}/damaged`;
    const path = `${folder}/${name.kind}-${name.key}-${
      crypto.randomUUID().slice(0, 8)
    }`;
    this.#known[name.kind].delete(name.key);
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const held = await Array.fromAsync(Deno.readDir(folder));
      if (held.length < MAX_DAMAGED_KEPT) {
        await Deno.rename(this.#pathOf(name), path);
      } else await Deno.remove(this.#pathOf(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        this.#log.warn("a damaged state file could not be set aside", {
          object: labelOf(name),
          error,
        });
      }
    }
    this.damaged.push({ ...name, path });
    this.#log.error("state file is damaged and was set aside", {
      object: labelOf(name),
      reason: "it is torn, or was sealed with another key",
    });
  }

  #pathOf(name: RecordName): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(name.key)) {
      throw new AranyaError(
        "invalid",
        `Cannot use ${name.kind} "${name.key}": its name is not fit for a file`,
      );
    }
    return `${this.dir}/${FOLDERS[name.kind]}/${name.key}`;
  }

  /** One call after the other per record; a failure does not stop the next. */
  #inTurn<T>(name: RecordName, work: () => Promise<T>): Promise<T> {
    const label = labelOf(name);
    const turn = (this.#tails.get(label) ?? Promise.resolve()).then(work, work);
    const tail = turn.catch(() => {}).then(() => {
      if (this.#tails.get(label) === tail) this.#tails.delete(label);
    });
    this.#tails.set(label, tail);
    return turn;
  }

  /** One sync of the folder serves all that changed in it before it began. */
  #syncFolder(kind: RecordKind): Promise<void> {
    const folder = `${this.dir}/${FOLDERS[kind]}`;
    const state = this.#dirSyncs.get(folder);
    if (state) {
      state.next ??= state.running.catch(() => {}).then(() => {
        this.#dirSyncs.delete(folder);
        return this.#syncFolder(kind);
      });
      return state.next;
    }
    const running = syncDir(folder).finally(() => {
      if (this.#dirSyncs.get(folder)?.next === undefined) {
        this.#dirSyncs.delete(folder);
      }
    });
    this.#dirSyncs.set(folder, { running });
    return running;
  }
}

function labelOf(name: RecordName): string {
  return `${name.kind}/${name.key}`;
}

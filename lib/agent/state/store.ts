// SPDX-License-Identifier: Apache-2.0
/** The records of one agent: read at the start, written when they change, sealed. */
import {
  AranyaError,
  asAranyaError,
  type Logger,
  Sequencer,
  sha256Hex,
} from "../../shared/base/mod.ts";
import { DirSyncer } from "./dir_syncer.ts";
import {
  ASIDE_SUFFIX,
  fromDiskError,
  isDiskFull,
  replaceFile,
} from "./disk.ts";
import { DiskReserve } from "./disk_reserve.ts";
import type { Seal } from "./seal.ts";

/** Kinds of records; the key of a "blob" is the hexadecimal SHA-256 of its content. */
export type RecordKind = "pod" | "setting" | "blob";

/** Name of a record. */
export interface RecordName {
  kind: RecordKind;
  /** Also the name of its file: letters, digits, `.`, `_` and `-`, at most 201. */
  key: string;
}

/** A record that could not be used and whose file was moved aside. */
export interface DamagedRecord extends RecordName {
  /** Path of the file now. */
  path: string;
}

/** Options of {@linkcode StateStore.write}. */
export interface RecordWriteOptions {
  /**
   * Use the space that is reserved when the disk is full: what is written leads to less usage.
   * @default false
   */
  useReserve?: boolean;
}

/** The records in a state directory. Calls about the same record take effect in their order. */
export interface StateStore {
  /** The state directory. */
  readonly dir: string;
  /** Records that were found damaged since the start. */
  readonly damaged: readonly DamagedRecord[];
  /** Returns the keys of all records of a kind. */
  keys(kind: RecordKind): string[];
  /**
   * Returns the content of a record; undefined when there is none, or when it is damaged, which is
   * then logged and listed in `damaged`.
   * @throws {AranyaError} code "internal" when the file can't be read
   */
  read(name: RecordName): Promise<Uint8Array | undefined>;
  /**
   * Replaces the content of a record; resolves when it would survive a power cut. Nothing is
   * written when the record has this content already.
   * @throws {AranyaError} code "internal" when the disk is full or read-only; the old content is
   * kept
   * @throws {AranyaError} code "invalid" when the key is no file name, or a blob's content does not
   * have that hash
   */
  write(
    name: RecordName,
    content: Uint8Array,
    options?: RecordWriteOptions,
  ): Promise<void>;
  /** Removes a record; does nothing when there is none. */
  remove(name: RecordName): Promise<void>;
  /**
   * Removes the blobs that are not in the set, except those written meanwhile. Returns their
   * number.
   */
  collectBlobs(kept: ReadonlySet<string>): Promise<number>;
}

/** Options of {@linkcode openStore}. */
export interface OpenStoreOptions {
  /** The state directory, locked with `lockStateDir`. */
  dir: string;
  seal: Seal;
  log: Logger;
}

/** Directories of the kinds; a format on disk. */
const KIND_DIRS: Readonly<Record<RecordKind, string>> = {
  pod: "pods",
  setting: "settings",
  blob: "blobs",
};
const KINDS: readonly RecordKind[] = ["pod", "setting", "blob"];
/** Why a record whose bytes were read can't be used. */
const DOES_NOT_OPEN = "incomplete, or sealed with another key";
/** Kinds that the operator may be unable to send again. */
const KEPT_KINDS: readonly RecordKind[] = ["pod", "setting"];
/**
 * Damaged files that are kept for a person to look at; later ones are removed. When no record opens
 * at the start, all are kept: the records are whole, and it is the key that is wrong.
 */
const MAX_DAMAGED_FILES = 16;

/** Returns whether a state directory holds pods or settings; false when it does not exist. */
export async function hasRecords(dir: string): Promise<boolean> {
  for (const kind of KEPT_KINDS) {
    try {
      for await (const entry of Deno.readDir(`${dir}/${KIND_DIRS[kind]}`)) {
        if (isRecord(entry)) return true;
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw fromDiskError(error, `Cannot use state directory "${dir}"`);
    }
  }
  return false;
}

/**
 * Opens the records in a directory. Pods and settings are all read, so that damaged ones are found
 * at the start; blobs are read when they are used.
 * @throws {AranyaError} code "internal" when the directory can't be used
 */
export async function openStore(
  options: OpenStoreOptions,
): Promise<StateStore> {
  const store = new FileStateStore(options);
  await store.load();
  return store;
}

class FileStateStore implements StateStore {
  readonly dir: string;
  readonly damaged: DamagedRecord[] = [];
  readonly #seal: Seal;
  readonly #log: Logger;
  /**
   * SHA-256 of the contents by key; empty for blobs, whose key it is, and for what was not read
   * yet.
   */
  readonly #hashes: Readonly<Record<RecordKind, Map<string, string>>> = {
    pod: new Map(),
    setting: new Map(),
    blob: new Map(),
  };
  readonly #calls = new Sequencer();
  readonly #reserve: DiskReserve;
  readonly #dirSyncer = new DirSyncer();

  constructor(options: OpenStoreOptions) {
    this.dir = options.dir;
    this.#seal = options.seal;
    this.#log = options.log;
    this.#reserve = new DiskReserve({ path: `${this.dir}/reserve` });
  }

  async load(): Promise<void> {
    try {
      for (const kind of KINDS) {
        const dir = this.#dirOf(kind);
        await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
        for await (const entry of Deno.readDir(dir)) {
          if (isRecord(entry)) this.#hashes[kind].set(entry.name, "");
          else if (entry.isFile) await Deno.remove(`${dir}/${entry.name}`);
        }
      }
    } catch (error) {
      throw fromDiskError(error, `Cannot use state directory "${this.dir}"`);
    }
    await this.#readAll();
    if (!await this.#reserve.fill()) {
      this.#log.warn("no space can be reserved in the state directory", {
        object: this.dir,
      });
    }
  }

  /** Finds the damaged records; one that can't be read must not keep the others from use. */
  async #readAll(): Promise<void> {
    const damaged: { name: RecordName; reason: string }[] = [];
    let openedCount = 0;
    for (const kind of KEPT_KINDS) {
      for (const key of this.keys(kind)) {
        const name = { kind, key };
        try {
          const content = await this.#readSealed(name);
          if (content === undefined) {
            damaged.push({ name, reason: DOES_NOT_OPEN });
            continue;
          }
          this.#hashes[kind].set(key, await sha256Hex(content));
          openedCount++;
        } catch (error) {
          damaged.push({ name, reason: asAranyaError(error, "").message });
        }
      }
    }
    // A single record that does not open is no sign of a wrong key.
    const isWrongKey = openedCount === 0 && damaged.length > 1;
    const maxFiles = isWrongKey ? Infinity : MAX_DAMAGED_FILES;
    for (const { name, reason } of damaged) {
      await this.#moveAside(name, { reason, maxFiles });
    }
  }

  keys(kind: RecordKind): string[] {
    return [...this.#hashes[kind].keys()];
  }

  read(name: RecordName): Promise<Uint8Array | undefined> {
    return this.#calls.run(toLabel(name), async () => {
      if (!this.#hashes[name.kind].has(name.key)) return undefined;
      const content = await this.#readSealed(name);
      const hash = content === undefined ? "" : await sha256Hex(content);
      if (
        content === undefined || (name.kind === "blob" && hash !== name.key)
      ) {
        await this.#moveAside(name, { reason: DOES_NOT_OPEN });
        return undefined;
      }
      if (name.kind !== "blob") this.#hashes[name.kind].set(name.key, hash);
      return content;
    });
  }

  write(
    name: RecordName,
    content: Uint8Array,
    { useReserve = false }: RecordWriteOptions = {},
  ): Promise<void> {
    return this.#calls.run(toLabel(name), async () => {
      const action = `Cannot write ${name.kind} "${name.key}" to state`;
      const hashes = this.#hashes[name.kind];
      const hash = await sha256Hex(content);
      if (name.kind === "blob" && hash !== name.key) {
        throw new AranyaError(
          "invalid",
          `${action}: the content has SHA-256 ${hash}`,
        );
      }
      if (
        name.kind === "blob"
          ? hashes.has(name.key)
          : hashes.get(name.key) === hash
      ) return;
      try {
        const file = {
          path: this.#pathOf(name),
          content: this.#seal.seal(toLabel(name), content),
        };
        await replaceFile(file).catch(async (error) => {
          const mayRetry = useReserve && isDiskFull(error) &&
            await this.#reserve.release();
          if (!mayRetry) throw error;
          await replaceFile(file);
        });
        hashes.set(name.key, name.kind === "blob" ? "" : hash);
        await this.#dirSyncer.sync(this.#dirOf(name.kind));
      } catch (error) {
        throw fromDiskError(error, action);
      }
    });
  }

  remove(name: RecordName): Promise<void> {
    return this.#calls.run(toLabel(name), async () => {
      if (!this.#hashes[name.kind].has(name.key)) return;
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
      this.#hashes[name.kind].delete(name.key);
      await this.#dirSyncer.sync(this.#dirOf(name.kind));
      // What the pod had on the disk was removed before.
      if (name.kind === "pod") await this.#reserve.fill();
    });
  }

  async collectBlobs(kept: ReadonlySet<string>): Promise<number> {
    const unused = this.keys("blob").filter((key) => !kept.has(key));
    for (const key of unused) await this.remove({ kind: "blob", key });
    return unused.length;
  }

  /** Returns undefined when the file is absent or does not open. */
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
    return this.#seal.open(toLabel(name), sealed);
  }

  /** Moves a damaged file to where a person can look at it, and reports it. */
  async #moveAside(
    name: RecordName,
    { reason, maxFiles = MAX_DAMAGED_FILES }: {
      reason: string;
      maxFiles?: number;
    },
  ): Promise<void> {
    const dir = `${this.dir}/damaged`;
    const suffix = crypto.randomUUID().slice(0, 8);
    const path = `${dir}/${name.kind}-${name.key}-${suffix}`;
    this.#hashes[name.kind].delete(name.key);
    try {
      await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
      const present = await Array.fromAsync(Deno.readDir(dir));
      if (present.length < maxFiles) {
        await Deno.rename(this.#pathOf(name), path);
      } else await Deno.remove(this.#pathOf(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        this.#log.warn("damaged state file can't be moved aside", {
          object: toLabel(name),
          error,
        });
      }
    }
    this.damaged.push({ ...name, path });
    this.#log.error("state file is damaged and was moved aside", {
      object: toLabel(name),
      reason,
    });
  }

  #dirOf(kind: RecordKind): string {
    return `${this.dir}/${KIND_DIRS[kind]}`;
  }

  /** @throws {AranyaError} code "invalid" when the key would lead to another directory */
  #pathOf(name: RecordName): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(name.key)) {
      throw new AranyaError(
        "invalid",
        `Cannot use ${name.kind} "${name.key}": not a valid file name`,
      );
    }
    return `${this.#dirOf(name.kind)}/${name.key}`;
  }
}

/** Returns whether a directory entry is a record rather than an unfinished file. */
function isRecord({ isFile, name }: Deno.DirEntry): boolean {
  return isFile && !name.endsWith(ASIDE_SUFFIX);
}

/** Returns the name under which a record is sealed and logged. */
function toLabel(name: RecordName): string {
  return `${name.kind}/${name.key}`;
}

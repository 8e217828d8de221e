// SPDX-License-Identifier: Apache-2.0
/** Pod records, device settings, volume contents and the start count on disk. */
import type { Clock, Logger } from "../../shared/base/mod.ts";
import {
  type Configure,
  ConfigureSchema,
  create,
  decodeMessage,
  encodeMessage,
  type File,
  listTokenFiles,
  type PodSpec,
} from "../../shared/wire/mod.ts";
import {
  loadBlobs,
  type LoadBlobsOptions,
  type RecordName,
  type StateStore,
} from "../state/mod.ts";
import {
  decodePodRecord,
  encodePodRecord,
  type PodRecord,
} from "./pod_record.ts";

const SETTINGS = { kind: "setting", key: "configure" } as const;
const START_COUNT = { kind: "setting", key: "epoch" } as const;
const START_COUNT_BYTES = 8;

/** Options of {@linkcode PodStore}. */
export interface PodStoreOptions {
  store: StateStore;
  clock: Clock;
  log: Logger;
}

/** Typed access to the state directory. Writes resolve once they would survive a power cut. */
export class PodStore {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #settings: Configure = create(ConfigureSchema);
  #hasUnusable = false;

  constructor({ store, clock, log }: PodStoreOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Settings of the device as they were saved last; empty before `loadSettings`. */
  get settings(): Configure {
    return this.#settings;
  }

  /** Whether records were found that can't be used since the start of the agent. */
  get hasDamage(): boolean {
    return this.#hasUnusable || this.#store.damaged.length > 0;
  }

  /**
   * Counts this start of the agent and returns its number, from 1. Unlike a time it always rises,
   * also on devices without a real-time clock. `isSaved` is false when it can't be written: the
   * next start then has the same number.
   */
  async countStart(): Promise<{ count: bigint; isSaved: boolean }> {
    const count = await this.#readStartCount() + 1n;
    const bytes = new Uint8Array(START_COUNT_BYTES);
    new DataView(bytes.buffer).setBigUint64(0, count);
    try {
      await this.#store.write(START_COUNT, bytes, { useReserve: true });
      return { count, isSaved: true };
    } catch (error) {
      this.#log.error("start of the agent can't be counted", { error });
      return { count, isSaved: false };
    }
  }

  /**
   * Returns the number of the last start; 0 in an empty state directory. A lost number is replaced
   * by the seconds since 1970, which are more than any number of starts.
   */
  async #readStartCount(): Promise<bigint> {
    const bytes = await this.#tryToRead(START_COUNT);
    if (bytes?.length === START_COUNT_BYTES) {
      return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
    }
    const isEmpty = this.#store.keys("pod").length === 0 && !this.hasDamage;
    return isEmpty ? 0n : BigInt(Math.trunc(this.#clock.wallMs() / 1_000));
  }

  /** Reads the settings of the device. They stay empty when they can't be read. */
  async loadSettings(): Promise<void> {
    const bytes = await this.#tryToRead(SETTINGS);
    if (!bytes) return;
    try {
      this.#settings = decodeMessage(ConfigureSchema, bytes);
    } catch (error) {
      this.#log.error("settings of the device can't be used", { error });
    }
  }

  /** Returns undefined for a record that is absent, damaged or can't be read. */
  async #tryToRead(name: RecordName): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.read(name);
    } catch (error) {
      this.#hasUnusable = true;
      this.#log.error("state can't be read", { object: name.key, error });
      return undefined;
    }
  }

  /** Replaces the settings of the device. */
  async saveSettings(settings: Configure): Promise<void> {
    const bytes = encodeMessage(ConfigureSchema, settings);
    await this.#store.write(SETTINGS, bytes);
    this.#settings = settings;
  }

  /**
   * Reads all pod records. Unusable ones are logged and left out; their containers keep running.
   */
  async loadRecords(): Promise<PodRecord[]> {
    const records: PodRecord[] = [];
    for (const key of this.#store.keys("pod")) {
      const bytes = await this.#tryToRead({ kind: "pod", key });
      if (!bytes) continue;
      try {
        records.push(decodePodRecord(bytes));
      } catch (error) {
        this.#hasUnusable = true;
        this.#log.error("pod record can't be used", { object: key, error });
      }
    }
    return records;
  }

  /** Writes the record of a pod; nothing is written when it has not changed. */
  async save(record: PodRecord): Promise<void> {
    const { spec: { uid }, goal, failure, completed } = record;
    await this.#store.write(
      { kind: "pod", key: uid },
      encodePodRecord(record),
      // The reserve is for pods that end, not for more of them.
      { useReserve: goal !== "run" || !!failure || completed.size > 0 },
    );
  }

  /** Removes the record of a pod; does nothing when there is none. */
  async remove(uid: string): Promise<void> {
    await this.#store.remove({ kind: "pod", key: uid });
  }

  /**
   * Returns volume contents by hash, and keeps those that were fetched.
   * @throws {AranyaError} code "unavailable" when a content could not be fetched
   */
  loadBlobs(
    options: LoadBlobsOptions,
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    return loadBlobs(this.#store, options);
  }

  /** Returns the files of a pod that hold tokens and whose content is kept. */
  listHeldTokenFiles(spec: PodSpec): File[] {
    const held = new Set(this.#store.keys("blob"));
    return listTokenFiles(spec).filter(({ sha256 }) => held.has(sha256));
  }

  /** Removes volume contents that none of these pods uses. Failures are logged. */
  async collectBlobs(specs: Iterable<PodSpec>): Promise<void> {
    const used = new Set<string>();
    for (const { volumes } of specs) {
      for (const { source } of volumes) {
        if (source.case !== "files") continue;
        for (const file of source.value.files) used.add(file.sha256);
      }
    }
    await this.#store.collectBlobs(used).catch((error) =>
      this.#log.warn("unused volume content can't be removed", { error })
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Pod records, device settings, volume contents and the start count on disk. */
import type { Logger } from "../../shared/base/mod.ts";
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
  log: Logger;
}

/** Typed access to the state directory. Writes resolve once they would survive a power cut. */
export class PodStore {
  readonly #store: StateStore;
  readonly #log: Logger;
  #settings: Configure = create(ConfigureSchema);

  constructor({ store, log }: PodStoreOptions) {
    this.#store = store;
    this.#log = log;
  }

  /** Settings of the device as they were saved last; empty before `loadSettings`. */
  get settings(): Configure {
    return this.#settings;
  }

  /** Whether files were found damaged since the start of the agent. */
  get hasDamage(): boolean {
    return this.#store.damaged.length > 0;
  }

  /**
   * Counts this start of the agent and returns its number, from 1. Unlike a time it always rises,
   * also on devices without a real-time clock.
   */
  async countStart(): Promise<bigint> {
    const bytes = await this.#store.read(START_COUNT);
    const previous = bytes?.length === START_COUNT_BYTES
      ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
      : 0n;
    const next = new Uint8Array(START_COUNT_BYTES);
    new DataView(next.buffer).setBigUint64(0, previous + 1n);
    await this.#store.write(START_COUNT, next);
    return previous + 1n;
  }

  /** Reads the settings of the device. */
  async loadSettings(): Promise<void> {
    const bytes = await this.#store.read(SETTINGS);
    if (bytes) this.#settings = decodeMessage(ConfigureSchema, bytes);
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
      const bytes = await this.#store.read({ kind: "pod", key });
      if (!bytes) continue;
      try {
        records.push(decodePodRecord(bytes));
      } catch (error) {
        this.#log.error("pod record can't be used", { object: key, error });
      }
    }
    return records;
  }

  /** Writes the record of a pod; nothing is written when it has not changed. */
  async save(record: PodRecord): Promise<void> {
    const { uid } = record.spec;
    await this.#store.write({ kind: "pod", key: uid }, encodePodRecord(record));
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

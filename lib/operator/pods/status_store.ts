// SPDX-License-Identifier: Apache-2.0
/** Bounded memory for what one device reports about its pods. */
import type { MemoryShare } from "../../shared/base/mod.ts";
import {
  countFields,
  encodeMessage,
  type File,
  type PodStatus,
  PodStatusSchema,
} from "../../shared/wire/mod.ts";

/** Upper bound of the pods of one device. */
export const MAX_POD_COUNT = 4096;
/**
 * Upper bound of all statuses together. A pod of 30 containers with two termination messages of 4
 * KiB each needs 340 KiB, one of a single container 4 KiB.
 */
const MAX_COST_BYTES = 16 * 1024 * 1024;
/** What a decoded field occupies beside its content, however short it is encoded. */
const FIELD_COST_BYTES = 128;
/** What a pod occupies of which only the UID is reported. */
const POD_COST_BYTES = 2048;

interface Entry {
  status: PodStatus;
  /** Files with tokens, as they were listed last. */
  tokenFiles: readonly File[];
  costBytes: number;
}

/**
 * Holds the latest status of each pod that a device has reported, up to a number of pods and of
 * bytes: UIDs and contents are the device's choice, and no device may fill the operator's memory.
 */
export class StatusStore implements Disposable {
  readonly #entries = new Map<string, Entry>();
  readonly #memory: MemoryShare | undefined;
  #costBytes = 0;
  #refusedCount = 0;
  #deferredCount = 0;

  /**
   * @param memory what the device has of the memory for the statuses of all devices; disposed with
   * the store
   */
  constructor(memory?: MemoryShare) {
    this.#memory = memory;
  }

  /** Number of statuses that were not stored because the device reports too much. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /** Number of statuses that were not stored because all devices together report too much. */
  get deferredCount(): number {
    return this.#deferredCount;
  }

  /** UIDs of all pods. */
  get uids(): string[] {
    return [...this.#entries.keys()];
  }

  /** Returns the status of a pod. */
  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.status;
  }

  /** Returns the statuses of all pods. */
  values(): PodStatus[] {
    return [...this.#entries.values()].map(({ status }) => status);
  }

  /** Returns the files with tokens that the device has listed of a pod. */
  tokenFilesOf(uid: string): readonly File[] {
    return this.#entries.get(uid)?.tokenFiles ?? [];
  }

  /**
   * Stores a status, and the files with tokens if some are given. Returns false, without any
   * effect, when there is no room for it.
   */
  set(
    status: PodStatus,
    given: { tokenFiles?: readonly File[] | undefined } = {},
  ): boolean {
    const former = this.#entries.get(status.uid);
    const tokenFiles = given.tokenFiles ?? former?.tokenFiles ?? [];
    const costBytes = POD_COST_BYTES + costOf(status) +
      costOf({ tokenFiles: [...tokenFiles] });
    const sumBytes = this.#costBytes - (former?.costBytes ?? 0) + costBytes;
    const isFull = !former && this.#entries.size >= MAX_POD_COUNT;
    if (isFull || sumBytes > MAX_COST_BYTES) {
      this.#refusedCount++;
      return false;
    }
    if (this.#memory?.resize(sumBytes) === false) {
      this.#deferredCount++;
      return false;
    }
    this.#costBytes = sumBytes;
    this.#entries.set(status.uid, { status, tokenFiles, costBytes });
    return true;
  }

  /** Drops what is stored of a pod. */
  delete(uid: string): void {
    this.#costBytes -= this.#entries.get(uid)?.costBytes ?? 0;
    this.#entries.delete(uid);
    this.#memory?.resize(this.#costBytes);
  }

  /** Drops everything; nothing can be stored afterwards. */
  [Symbol.dispose](): void {
    this.#entries.clear();
    this.#memory?.[Symbol.dispose]();
  }
}

/** Returns about how much memory a status occupies, in bytes. */
function costOf(
  status: Parameters<typeof encodeMessage<typeof PodStatusSchema>>[1],
): number {
  const bytes = encodeMessage(PodStatusSchema, status);
  const fieldCount = countFields(PodStatusSchema, {
    bytes,
    maxCount: bytes.length,
  });
  return bytes.length + FIELD_COST_BYTES * fieldCount;
}

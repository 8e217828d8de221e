// SPDX-License-Identifier: Apache-2.0
/**
 * What the device keeps on disk: records by kind and key (pods, settings, blobs by hash) in one
 * directory, which one agent locks at a time. Bytes come in, and the same bytes come out, also
 * after a power cut; damaged records are moved aside and reported. This room never looks inside a
 * record, and never writes a record that has not changed.
 *
 * @example
 * ```ts
 * using _lock = await lockStateDir(dir, { signal });
 * const seal = createSeal(await loadStateKey(keyFile, { stateDir: dir, signal }));
 * const store = await openStore({ dir, seal, log });
 * await store.write({ kind: "setting", key: "greeting" }, utf8("hello"));
 * ```
 *
 * @module
 */
export { loadBlobs, type LoadBlobsOptions } from "./blobs.ts";
export {
  fromDiskError,
  replaceFile,
  type ReplaceFileOptions,
  syncDir,
} from "./disk.ts";
export { lockStateDir, type LockStateDirOptions } from "./lock.ts";
export { createSeal, type Seal } from "./seal.ts";
export { loadStateKey, type LoadStateKeyOptions } from "./state_key.ts";
export {
  type DamagedRecord,
  openStore,
  type OpenStoreOptions,
  type RecordKind,
  type RecordName,
  type StateStore,
} from "./store.ts";

// SPDX-License-Identifier: Apache-2.0
/** Contents by their hash, read from the store or fetched into it. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { StateStore } from "./store.ts";

/** Options of {@linkcode loadBlobs}. */
export interface LoadBlobsOptions {
  /** Hexadecimal SHA-256 of each content; may repeat. */
  hashes: readonly string[];
  /**
   * Fetches contents and returns them in the order of the hashes. Called at most once, with the
   * hashes that the store lacks.
   */
  fetchMissing(hashes: readonly string[]): Promise<readonly Uint8Array[]>;
}

/**
 * Returns all contents by hash, and keeps those that were fetched.
 * @throws {AranyaError} code "unavailable" when fewer contents were fetched than asked for,
 * "invalid" when one does not have its hash; what `fetchMissing` throws
 */
export async function loadBlobs(
  store: StateStore,
  { hashes, fetchMissing }: LoadBlobsOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const blobs = new Map<string, Uint8Array>();
  const missing: string[] = [];
  for (const key of new Set(hashes)) {
    const content = await store.read({ kind: "blob", key });
    if (content) blobs.set(key, content);
    else missing.push(key);
  }
  if (missing.length === 0) return blobs;
  const contents = await fetchMissing(missing);
  for (const [index, key] of missing.entries()) {
    const content = contents[index];
    if (!content) {
      throw new AranyaError(
        "unavailable",
        `Cannot fetch volume contents: received ${contents.length}, expected ${missing.length}`,
      );
    }
    await store.write({ kind: "blob", key }, content);
    blobs.set(key, content);
  }
  return blobs;
}

// SPDX-License-Identifier: Apache-2.0
/** Contents by hash, had from the store or fetched into it. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { StateStore } from "./store.ts";

/** Options of {@linkcode loadBlobs}. */
export interface LoadBlobsOptions {
  /** Hexadecimal SHA-256 of each content wanted. */
  hashes: readonly string[];
  /** Gives contents in the order asked for; called once at most, with those that the store lacks. */
  fetch(hashes: readonly string[]): Promise<readonly Uint8Array[]>;
}

/**
 * All contents, by hash. Those fetched are kept.
 * @throws {AranyaError} code "unavailable" when fewer came than were asked for; "invalid" when one is not what its hash says; what `fetch` throws
 */
export async function loadBlobs(
  store: StateStore,
  options: LoadBlobsOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const absent: string[] = [];
  for (const key of new Set(options.hashes)) {
    const content = await store.read({ kind: "blob", key });
    if (content) found.set(key, content);
    else absent.push(key);
  }
  if (absent.length === 0) return found;
  const contents = await options.fetch(absent);
  for (const [index, key] of absent.entries()) {
    const content = contents[index];
    if (!content) {
      throw new AranyaError(
        "unavailable",
        `Cannot fetch contents: ${contents.length} of ${absent.length} came`,
      );
    }
    await store.write({ kind: "blob", key }, content);
    found.set(key, content);
  }
  return found;
}

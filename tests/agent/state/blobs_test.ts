// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  sha256Hex,
  SILENT_LOGGER,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import {
  createSeal,
  loadBlobs,
  openStore,
  type StateStore,
} from "../../../lib/agent/state/mod.ts";

async function withStore(
  work: (store: StateStore) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const seal = createSeal(new Uint8Array(32));
  try {
    await work(await openStore({ dir, seal, log: SILENT_LOGGER }));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("loadBlobs() fetches what the store lacks, once", () =>
  withStore(async (store) => {
    const [a, b] = [await sha256Hex(utf8("a")), await sha256Hex(utf8("b"))];
    await store.write({ kind: "blob", key: a }, utf8("a"));
    const requested: string[][] = [];
    const fetchMissing = (hashes: readonly string[]) => {
      requested.push([...hashes]);
      return Promise.resolve([utf8("b")]);
    };
    for (let round = 0; round < 2; round++) {
      const found = await loadBlobs(store, { hashes: [a, b, b], fetchMissing });
      assert.deepEqual(found.get(a), utf8("a"));
      assert.deepEqual(found.get(b), utf8("b"));
    }
    assert.deepEqual(requested, [[b]]);
  }));

Deno.test("loadBlobs() throws when a content does not have its hash", () =>
  withStore(async (store) => {
    const hash = await sha256Hex(utf8("a"));
    await assert.rejects(
      loadBlobs(store, {
        hashes: [hash],
        fetchMissing: () => Promise.resolve([utf8("forged")]),
      }),
      /Cannot write blob/,
    );
    assert.deepEqual(store.keys("blob"), []);
  }));

Deno.test("loadBlobs() throws when too few contents were fetched", () =>
  withStore(async (store) => {
    await assert.rejects(
      loadBlobs(store, {
        hashes: ["ab"],
        fetchMissing: () => Promise.resolve([]),
      }),
      /Cannot fetch volume contents: received 0, expected 1/,
    );
  }));

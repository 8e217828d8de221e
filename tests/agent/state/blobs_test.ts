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

Deno.test("loadBlobs() fetches what is not held, once", () =>
  withStore(async (store) => {
    const [a, b] = [await sha256Hex(utf8("a")), await sha256Hex(utf8("b"))];
    await store.write({ kind: "blob", key: a }, utf8("a"));
    const asked: string[][] = [];
    const fetch = (hashes: readonly string[]) => {
      asked.push([...hashes]);
      return Promise.resolve([utf8("b")]);
    };
    for (let round = 0; round < 2; round++) {
      const found = await loadBlobs(store, { hashes: [a, b, b], fetch });
      assert.deepEqual(found.get(a), utf8("a"));
      assert.deepEqual(found.get(b), utf8("b"));
    }
    assert.deepEqual(asked, [[b]]);
  }));

Deno.test("loadBlobs() refuses content that is not what its hash says", () =>
  withStore(async (store) => {
    const hash = await sha256Hex(utf8("a"));
    await assert.rejects(
      loadBlobs(store, {
        hashes: [hash],
        fetch: () => Promise.resolve([utf8("forged")]),
      }),
      /Cannot write blob/,
    );
    assert.deepEqual(store.keys("blob"), []);
  }));

Deno.test("loadBlobs() says when too few contents came", () =>
  withStore(async (store) => {
    await assert.rejects(
      loadBlobs(store, {
        hashes: ["ab"],
        fetch: () => Promise.resolve([]),
      }),
      /Cannot fetch contents: 0 of 1 came/,
    );
  }));

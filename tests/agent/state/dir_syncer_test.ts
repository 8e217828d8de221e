// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DirSyncer } from "../../../lib/agent/state/dir_syncer.ts";

/** A syncer whose syncs end when the test resolves them. */
function createFixture() {
  const syncs: { dir: string; done: PromiseWithResolvers<void> }[] = [];
  const syncer = new DirSyncer((dir) => {
    const done = Promise.withResolvers<void>();
    syncs.push({ dir, done });
    return done.promise;
  });
  return { syncs, syncer };
}

Deno.test("sync() shares one sync when several callers ask while another runs", async () => {
  const { syncs, syncer } = createFixture();
  const first = syncer.sync("a");
  const others = [syncer.sync("a"), syncer.sync("a")];
  assert.equal(syncs.length, 1);
  syncs[0]?.done.resolve();
  await first;
  await Promise.resolve();
  assert.equal(syncs.length, 2);
  // A call during the second sync gets a third one.
  const third = syncer.sync("a");
  syncs[1]?.done.resolve();
  await Promise.all(others);
  await Promise.resolve();
  assert.equal(syncs.length, 3);
  syncs[2]?.done.resolve();
  await third;
  const later = syncer.sync("a");
  assert.equal(syncs.length, 4);
  syncs[3]?.done.resolve();
  await later;
});

Deno.test("sync() rejects only the callers of the sync that failed", async () => {
  const { syncs, syncer } = createFixture();
  const first = syncer.sync("a");
  const second = syncer.sync("a");
  syncs[0]?.done.reject(new Error("disk fails"));
  await assert.rejects(first, /disk fails/);
  await Promise.resolve();
  syncs[1]?.done.resolve();
  await second;
});

Deno.test("sync() runs syncs of different directories at the same time", async () => {
  const { syncs, syncer } = createFixture();
  const both = [syncer.sync("a"), syncer.sync("b")];
  assert.deepEqual(syncs.map(({ dir }) => dir), ["a", "b"]);
  for (const { done } of syncs) done.resolve();
  await Promise.all(both);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { PacedUpdates } from "../../../lib/operator/fleet/paced_updates.ts";

/** Updates whose next turn is the caller's to begin. */
function createUpdates() {
  const updated: string[] = [];
  const turns: (() => void)[] = [];
  const updates = new PacedUpdates({
    update: (key) => void updated.push(key),
    clock: {
      monotonicMs: () => 0,
      wallMs: () => 0,
      sleep: () => new Promise((resolve) => turns.push(resolve)),
    },
  });
  return {
    updates,
    updated,
    async nextTurn() {
      turns.shift()?.();
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}

Deno.test("PacedUpdates.add() updates one key in each turn, and each once", async () => {
  const { updates, updated, nextTurn } = createUpdates();
  updates.add(["a", "b", "c"]);
  assert.deepEqual(updated, ["a"]);
  updates.add(["c", "b", "a"]);
  for (const key of ["b", "c", "a"]) {
    await nextTurn();
    assert.equal(updated.at(-1), key);
  }
  await nextTurn();
  assert.deepEqual(updated, ["a", "b", "c", "a"]);
  updates.add(["d"]);
  assert.equal(updated.at(-1), "d");
});

Deno.test("PacedUpdates.delete() drops a key that waits", async () => {
  const { updates, updated, nextTurn } = createUpdates();
  updates.add(["a", "b", "c"]);
  updates.delete("b");
  await nextTurn();
  assert.deepEqual(updated, ["a", "c"]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import {
  FairSlots,
  type FairSlotsOptions,
} from "../../../lib/shared/guard/mod.ts";

const MINUTE_MS = 60_000;

/** Slots whose evicted holders are collected by name. */
function createSlots(
  options: Partial<FairSlotsOptions> & { maxCount: number },
) {
  const evicted: string[] = [];
  const slots = new FairSlots({ protectedMs: MINUTE_MS, ...options });
  const acquire = (name: string, groups: string[]) =>
    slots.acquire({ groups, onEvicted: () => void evicted.push(name) });
  return { slots, evicted, acquire };
}

Deno.test("FairSlots.acquire() gives slots up to the limit, and takes each back once", () => {
  const { slots, acquire } = createSlots({ maxCount: 2 });
  const slot = acquire("a", ["a"]);
  assert.ok(slot);
  assert.ok(acquire("b", ["b"]));
  assert.equal(acquire("c", ["c"]), undefined);
  slot[Symbol.dispose]();
  slot[Symbol.dispose]();
  assert.equal(slots.count, 1);
  assert.ok(acquire("d", ["d"]));
  assert.equal(acquire("e", ["e"]), undefined);
});

Deno.test("FairSlots.acquire() evicts the oldest slot when its protection has expired", () => {
  let nowMs = 0;
  const { slots, evicted, acquire } = createSlots({
    maxCount: 2,
    clock: { ...SYSTEM_CLOCK, monotonicMs: () => nowMs },
  });
  acquire("first", ["1"]);
  acquire("second", ["2"]);
  nowMs = MINUTE_MS - 1;
  assert.equal(acquire("third", ["3"]), undefined);
  nowMs = MINUTE_MS;
  assert.ok(acquire("third", ["3"]));
  assert.deepEqual(evicted, ["first"]);
  assert.equal(slots.count, 2);
});

Deno.test("FairSlots.acquire() evicts the oldest slot of the group with the largest share, whatever its age", () => {
  const { evicted, acquire } = createSlots({ maxCount: 4 });
  acquire("honest", ["h"]);
  for (const name of ["x1", "x2", "x3"]) acquire(name, ["x"]);
  assert.ok(acquire("new", ["n"]));
  assert.deepEqual(evicted, ["x1"]);
  // Two of x are left: no more than the new group would have with a second slot.
  assert.equal(acquire("new 2", ["n"]), undefined);
  assert.equal(acquire("x4", ["x"]), undefined);
});

Deno.test("FairSlots.acquire() looks at wider groups when the narrow ones are equal", () => {
  const { evicted, acquire } = createSlots({ maxCount: 3 });
  for (const name of ["1", "2", "3"]) acquire(name, [name, "net a"]);
  assert.ok(acquire("4", ["4", "net b"]));
  assert.deepEqual(evicted, ["1"]);
  assert.equal(acquire("5", ["5", "net a"]), undefined);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { MemoryPool } from "../../../lib/shared/base/memory_pool.ts";

Deno.test("resize() takes from the reserve what is above the guaranteed part", () => {
  const pool = new MemoryPool({ guaranteedBytes: 10, reserveBytes: 100 });
  const [first, second, third] = [pool.join(), pool.join(), pool.join()];
  assert.equal(first.resize(10), true);
  assert.equal(pool.reservedBytes, 0);
  assert.equal(first.resize(80), true);
  assert.equal(second.resize(40), true);
  assert.equal(pool.reservedBytes, 100);
  // The reserve is used up; the guaranteed part of another is not.
  assert.equal(second.resize(41), false);
  assert.equal(third.resize(11), false);
  assert.equal(third.resize(10), true);
  assert.equal(pool.reservedBytes, 100);
});

Deno.test("resize() gives back to the reserve, also when that is used up", () => {
  const pool = new MemoryPool({ guaranteedBytes: 0, reserveBytes: 100 });
  const [first, second] = [pool.join(), pool.join()];
  assert.equal(first.resize(100), true);
  assert.equal(first.resize(101), false);
  assert.equal(first.resize(60), true);
  assert.equal(second.resize(41), false);
  assert.equal(second.resize(40), true);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(pool.reservedBytes, 40);
  assert.equal(second.resize(100), true);
});

Deno.test("resize() takes nothing for a share that was disposed", () => {
  const pool = new MemoryPool({ guaranteedBytes: 10, reserveBytes: 100 });
  const share = pool.join();
  share[Symbol.dispose]();
  assert.equal(share.resize(50), false);
  assert.equal(share.resize(1), false);
  assert.equal(share.resize(0), true);
  assert.equal(pool.reservedBytes, 0);
});

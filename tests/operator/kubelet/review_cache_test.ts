// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { ReviewCache } from "../../../lib/operator/kubelet/review_cache.ts";

function makeCache(maxEntries = 10) {
  let nowMs = 0;
  const cache = new ReviewCache<boolean>({
    ttlMs: (answer) => answer ? 100 : 10,
    maxEntries,
    clock: { ...SYSTEM_CLOCK, monotonicMs: () => nowMs },
  });
  let asked = 0;
  return {
    cache,
    pass: (ms: number) => void (nowMs += ms),
    asked: () => asked,
    get: (key: string, answer: boolean) =>
      cache.get(key, () => {
        asked++;
        return Promise.resolve(answer);
      }),
  };
}

Deno.test("ReviewCache.get() caches each result for its own time", async () => {
  const { get, pass, asked } = makeCache();
  await get("yes", true);
  await get("no", false);
  pass(11);
  assert.equal(await get("yes", false), true);
  assert.equal(await get("no", true), true);
  assert.equal(asked(), 3);
  pass(100);
  assert.equal(await get("yes", false), false);
});

Deno.test("ReviewCache.get() makes one review for concurrent calls", async () => {
  const { get, asked } = makeCache();
  assert.deepEqual(
    await Promise.all([get("a", true), get("a", false), get("b", true)]),
    [true, true, true],
  );
  assert.equal(asked(), 2);
});

Deno.test("ReviewCache.get() doesn't cache a rejection", async () => {
  const { cache, get } = makeCache();
  await assert.rejects(cache.get("a", () => Promise.reject(new Error("away"))));
  assert.equal(await get("a", true), true);
});

Deno.test("ReviewCache drops the oldest results above its bound", async () => {
  const { cache, get, asked } = makeCache(2);
  for (const key of ["a", "b", "c"]) await get(key, true);
  assert.equal(cache.size, 2);
  await get("c", true);
  assert.equal(asked(), 3);
  await get("a", true);
  assert.equal(asked(), 4);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { HandshakeLimit } from "../../../lib/shared/noise/mod.ts";

Deno.test("HandshakeLimit.acquire() gives slots up to the limit, and takes each back once", () => {
  const limit = new HandshakeLimit({ maxCount: 2 });
  const slot = limit.acquire(() => {});
  assert.ok(slot);
  assert.ok(limit.acquire(() => {}));
  assert.equal(limit.acquire(() => {}), undefined);
  slot[Symbol.dispose]();
  slot[Symbol.dispose]();
  assert.equal(limit.count, 1);
  assert.ok(limit.acquire(() => {}));
  assert.equal(limit.acquire(() => {}), undefined);
});

Deno.test("HandshakeLimit.acquire() evicts the oldest slot when its protection has expired", () => {
  const limit = new HandshakeLimit({ maxCount: 2, protectedMs: 0 });
  const evicted: string[] = [];
  limit.acquire(() => void evicted.push("first"));
  limit.acquire(() => void evicted.push("second"));
  assert.ok(limit.acquire(() => void evicted.push("third")));
  assert.deepEqual(evicted, ["first"]);
  assert.equal(limit.count, 2);
});

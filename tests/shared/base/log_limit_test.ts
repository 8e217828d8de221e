// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Clock, LogLimit } from "../../../lib/shared/base/mod.ts";

function createLimit(options: { maxKeyCount?: number } = {}) {
  const time = { ms: 0 };
  const clock: Clock = {
    monotonicMs: () => time.ms,
    wallMs: () => 0,
    sleep: () => Promise.reject(new Error("unexpected sleep")),
  };
  const limit = new LogLimit({ intervalMs: 1000, clock, ...options });
  return { time, limit };
}

Deno.test("LogLimit.admit() lets one line per interval through and counts those in between", () => {
  const { time, limit } = createLimit();
  assert.deepEqual(limit.admit("a"), {});
  time.ms = 999;
  assert.equal(limit.admit("a"), undefined);
  assert.equal(limit.admit("a"), undefined);
  time.ms = 1000;
  assert.deepEqual(limit.admit("a"), { suppressed: 2 });
  time.ms = 2000;
  assert.deepEqual(limit.admit("a"), {});
});

Deno.test("LogLimit.admit() treats keys apart", () => {
  const { limit } = createLimit();
  assert.deepEqual(limit.admit("a"), {});
  assert.deepEqual(limit.admit("b"), {});
  assert.equal(limit.admit("a"), undefined);
});

Deno.test("LogLimit.admit() shares one line among keys above the bound, until old ones expire", () => {
  const { time, limit } = createLimit({ maxKeyCount: 2 });
  limit.admit("a");
  limit.admit("b");
  assert.deepEqual(limit.admit("c"), {});
  assert.equal(limit.admit("d"), undefined);
  time.ms = 1000;
  assert.deepEqual(limit.admit("d"), {});
  assert.equal(limit.admit("d"), undefined);
});

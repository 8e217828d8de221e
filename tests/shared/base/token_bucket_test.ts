// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { TokenBucket } from "../../../lib/shared/base/token_bucket.ts";

Deno.test("TokenBucket.take() allows a burst, then a steady rate", () => {
  const time = { ms: 1000 };
  const clock = { monotonicMs: () => time.ms };
  const bucket = new TokenBucket({ size: 3, refillMs: 100, clock });
  const takeAll = () => {
    let count = 0;
    while (count < 10 && bucket.take()) count++;
    return count;
  };
  assert.equal(takeAll(), 3);
  time.ms += 99;
  assert.equal(takeAll(), 0);
  time.ms += 1;
  assert.equal(takeAll(), 1);
  time.ms += 250;
  assert.equal(takeAll(), 2);
  // The half that was left over counts.
  time.ms += 50;
  assert.equal(takeAll(), 1);
  time.ms += 10_000;
  assert.equal(takeAll(), 3);
});

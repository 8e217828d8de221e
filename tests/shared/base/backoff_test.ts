// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createBackoff } from "../../../lib/shared/base/mod.ts";

Deno.test("createBackoff() multiplies delays by the factor up to the limit", () => {
  const backoff = createBackoff({
    initialDelayMs: 100,
    maxDelayMs: 350,
    factor: 2,
  });
  assert.deepEqual([
    backoff.next(),
    backoff.next(),
    backoff.next(),
    backoff.next(),
  ], [100, 200, 350, 350]);
});

Deno.test("createBackoff() returns the first delay again after reset()", () => {
  const backoff = createBackoff({ initialDelayMs: 100, maxDelayMs: 1_000 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

Deno.test("createBackoff() subtracts the jitter from the delay", () => {
  const backoff = createBackoff({
    initialDelayMs: 100,
    maxDelayMs: 100,
    jitter: 0.5,
    random: () => 0.5,
  });
  assert.equal(backoff.next(), 75);
});

Deno.test("createBackoff() throws when delays would decrease", () => {
  assert.throws(
    () => createBackoff({ initialDelayMs: 10, maxDelayMs: 5 }),
    RangeError,
  );
  assert.throws(
    () => createBackoff({ initialDelayMs: 1, maxDelayMs: 5, factor: 0.5 }),
    RangeError,
  );
});

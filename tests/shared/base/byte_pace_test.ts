// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { BytePace } from "../../../lib/shared/base/byte_pace.ts";

Deno.test("BytePace.delayMs allows a burst, then a steady rate", () => {
  const time = { ms: 1000 };
  const pace = new BytePace({
    burstBytes: 1000,
    bytesPerSecond: 100,
    clock: { monotonicMs: () => time.ms },
  });
  pace.charge(400);
  pace.charge(600);
  assert.equal(pace.delayMs, 0);
  pace.charge(50);
  assert.equal(pace.delayMs, 500);
  time.ms += 300;
  assert.equal(pace.delayMs, 200);
  pace.charge(10);
  assert.equal(pace.delayMs, 300);
  time.ms += 300;
  assert.equal(pace.delayMs, 0);
  pace.charge(1);
  assert.equal(pace.delayMs, 10);
  // However long it was idle, it gets one burst.
  time.ms += 3_600_000;
  pace.charge(1100);
  assert.equal(pace.delayMs, 1000);
});

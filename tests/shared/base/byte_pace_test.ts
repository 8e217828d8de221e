// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { BytePace, PaceReserve } from "../../../lib/shared/base/byte_pace.ts";

Deno.test("BytePace.delayMs allows a burst, then a steady rate", () => {
  const time = { ms: 1000 };
  const pace = new BytePace({
    burstBytes: 1000,
    bytesPerSecond: 100,
    maxDelayMs: 5000,
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
  pace.charge(1_000_000);
  assert.equal(pace.delayMs, 5000);
  time.ms += 4000;
  assert.equal(pace.delayMs, 1000);
});

Deno.test("BytePace.charge() takes what is above the burst from the reserve, while that has it", () => {
  const time = { ms: 1000 };
  const clock = { monotonicMs: () => time.ms };
  const reserve = new PaceReserve({
    burstBytes: 500,
    bytesPerSecond: 1000,
    clock,
  });
  const makePace = () =>
    new BytePace({
      burstBytes: 100,
      bytesPerSecond: 100,
      maxReservedBytes: 300,
      reserve,
      maxDelayMs: 60_000,
      clock,
    });
  const [first, second, third] = [makePace(), makePace(), makePace()];
  // 300 of the 400 above its burst.
  first.charge(500);
  assert.equal(first.delayMs, 1000);
  // The reserve has 200 left.
  second.charge(400);
  assert.equal(second.delayMs, 1000);
  third.charge(100);
  assert.equal(third.delayMs, 0);
  third.charge(10);
  assert.equal(third.delayMs, 100);
  // Paid off to 400, all of it allowed; it gets no more until it has paid off what it took.
  time.ms += 1000;
  assert.equal(first.delayMs, 0);
  first.charge(50);
  assert.equal(first.delayMs, 500);
  time.ms += 3500;
  first.charge(250);
  assert.equal(first.delayMs, 0);
});

Deno.test("PaceReserve.take() refills at its rate, up to its size", () => {
  const time = { ms: 1000 };
  const reserve = new PaceReserve({
    burstBytes: 500,
    bytesPerSecond: 1000,
    clock: { monotonicMs: () => time.ms },
  });
  assert.equal(reserve.take(400), 400);
  assert.equal(reserve.take(400), 100);
  assert.equal(reserve.take(400), 0);
  time.ms += 50;
  assert.equal(reserve.take(400), 50);
  time.ms += 60_000;
  assert.equal(reserve.take(1000), 500);
});

Deno.test("BytePace.delayMs gives up what the reserve has lent as it is paid off", () => {
  const time = { ms: 0 };
  const clock = { monotonicMs: () => time.ms };
  const reserve = new PaceReserve({ burstBytes: 50, bytesPerSecond: 0, clock });
  const pace = new BytePace({
    burstBytes: 100,
    bytesPerSecond: 10,
    maxReservedBytes: 50,
    reserve,
    maxDelayMs: 10_000,
    clock,
  });
  pace.charge(150);
  assert.equal(pace.delayMs, 0);
  time.ms = 15_000;
  pace.charge(150);
  assert.equal(pace.delayMs, 5_000);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ClockTimer } from "../../../lib/agent/pods/clock_timer.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";

function createFixture() {
  const clock = new VirtualClock();
  const startMs = clock.monotonicMs();
  const callsMs: number[] = [];
  const timer = new ClockTimer(
    clock,
    () => void callsMs.push(clock.monotonicMs() - startMs),
  );
  return { clock, startMs, callsMs, timer };
}

Deno.test("set() leads to one call at that time, and replaces an earlier time", async () => {
  const { clock, startMs, callsMs, timer } = createFixture();
  timer.set(startMs + 5_000);
  timer.set(startMs + 3_000);
  await clock.pass(10_000);
  assert.deepEqual(callsMs, [3_000]);
  timer.set(startMs + 12_000);
  await clock.pass(10_000);
  assert.deepEqual(callsMs, [3_000, 12_000]);
});

Deno.test("set() leads to a call soon when the time has passed", async () => {
  const { clock, startMs, callsMs, timer } = createFixture();
  timer.set(startMs - 1);
  assert.deepEqual(callsMs, []);
  await clock.pass(1);
  assert.deepEqual(callsMs, [0]);
});

Deno.test("set() keeps a time that is more than 2^31 ms away", async () => {
  const { clock, startMs, callsMs, timer } = createFixture();
  timer.set(startMs + 2 ** 32);
  await clock.run(clock.sleep(2 ** 32 + 1), { limitMs: 2 ** 33 });
  assert.deepEqual(callsMs, [2 ** 32]);
});

for (const clear of ["set(undefined)", "disposal"] as const) {
  Deno.test(`${clear} clears the timer`, async () => {
    const { clock, startMs, callsMs, timer } = createFixture();
    timer.set(startMs + 1_000);
    if (clear === "disposal") timer[Symbol.dispose]();
    else timer.set(undefined);
    assert.equal(clock.sleeperCount, 0);
    await clock.pass(2_000);
    assert.deepEqual(callsMs, []);
  });
}

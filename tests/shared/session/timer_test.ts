// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DeadlineTimer } from "../../../lib/shared/session/timer.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

Deno.test("schedule() fires once, at the earliest of the scheduled times", async () => {
  const clock = new VirtualClock();
  const firedMs: number[] = [];
  const timer = new DeadlineTimer({
    clock,
    onDue: () => firedMs.push(clock.monotonicMs()),
  });
  const nowMs = clock.monotonicMs();
  timer.schedule(nowMs + 500);
  timer.schedule(nowMs + 200);
  timer.schedule(nowMs + 900);
  timer.schedule(Infinity);
  await clock.pass(1_000);
  assert.deepEqual(firedMs, [nowMs + 200]);
});

Deno.test("schedule() fires in the next turn when the time is in the past, with the delay", async () => {
  const clock = new VirtualClock();
  const delays: number[] = [];
  const timer = new DeadlineTimer({
    clock,
    onDue: (lateMs) => delays.push(lateMs),
  });
  timer.schedule(clock.monotonicMs() - 7);
  assert.deepEqual(delays, []);
  await clock.pass(1);
  assert.deepEqual(delays, [7]);
});

Deno.test("stop() clears the timer for good", async () => {
  const clock = new VirtualClock();
  const timer = new DeadlineTimer({
    clock,
    onDue: () => assert.fail("the timer fired"),
  });
  timer.schedule(clock.monotonicMs() + 100);
  timer.stop();
  timer.schedule(clock.monotonicMs() + 100);
  assert.equal(clock.sleeperCount, 0);
  await clock.pass(1_000);
});

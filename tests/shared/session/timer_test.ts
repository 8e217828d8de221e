// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createAlarm } from "../../../lib/shared/session/timer.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

Deno.test("createAlarm() rings once at the earliest time asked for", async () => {
  const clock = new VirtualClock();
  const rings: number[] = [];
  const alarm = createAlarm({
    clock,
    ring: () => rings.push(clock.monotonicMs()),
  });
  const nowMs = clock.monotonicMs();
  alarm.at(nowMs + 500);
  alarm.at(nowMs + 200);
  alarm.at(nowMs + 900);
  alarm.at(Infinity);
  await clock.pass(1_000);
  assert.deepEqual(rings, [nowMs + 200]);
  alarm.at(nowMs - 1);
  await clock.pass(1);
  assert.equal(rings.length, 2);
});

Deno.test("stop() leaves no timer and no later ring", async () => {
  const clock = new VirtualClock();
  const alarm = createAlarm({ clock, ring: () => assert.fail("it rang") });
  alarm.at(clock.monotonicMs() + 100);
  alarm.stop();
  alarm.at(clock.monotonicMs() + 100);
  assert.equal(clock.sleeperCount, 0);
  await clock.pass(1_000);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { UnknownPods } from "../../../lib/agent/pods/unknown_pods.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";

const [A, B] = [{ uid: "a" }, { uid: "b" }];

Deno.test("takeOld() returns a pod once it has been unknown for a minute", async () => {
  const clock = new VirtualClock();
  const pods = new UnknownPods({ clock });
  assert.deepEqual(pods.takeOld([A]), []);
  await clock.pass(59_999);
  assert.deepEqual(pods.takeOld([A, B]), []);
  await clock.pass(1);
  assert.deepEqual(pods.takeOld([A, B]), [A]);
  assert.deepEqual(pods.takeOld([A]), []);
});

Deno.test("takeOld() counts from the first event of a pod", async () => {
  const clock = new VirtualClock();
  const pods = new UnknownPods({ clock });
  pods.add("a");
  await clock.pass(30_000);
  pods.add("a");
  await clock.pass(30_000);
  assert.deepEqual(pods.takeOld([A]), [A]);
});

Deno.test("takeOld() starts again when a pod was not listed in between", async () => {
  const clock = new VirtualClock();
  const pods = new UnknownPods({ clock });
  pods.takeOld([A]);
  pods.takeOld([]);
  await clock.pass(60_000);
  assert.deepEqual(pods.takeOld([A]), []);
});

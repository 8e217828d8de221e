// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { DeviceFixture, podOf } from "./_support/device_fixture.ts";

Deno.test("a tombstone outlives the agent", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.shows("app:running#0 ready");
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await device.shows("gone");
  await device.stopAgent();
  device.engine.pods.clear();
  await device.startAgent();
  const [status] = await device.podWorkers.list();
  assert.equal(status?.terminated, true);
  const state = status?.containers[0]?.state?.state;
  assert.equal(state?.case === "terminated" && state.value.exitCode, 143);
});

Deno.test("a finished pod is not run again when somebody pruned the engine", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf({ restartPolicy: RestartPolicy.NEVER }));
  await device.called("start app-0");
  device.engine.end("app-0", 3);
  await device.shows("app:terminated:3#0");
  await device.stopAgent();
  device.engine.pods.clear();
  await device.startAgent();
  await device.shows("app:terminated:3#0");
  assert.equal(
    device.engine.calls.filter((call) => call.startsWith("start")).length,
    1,
  );
});

Deno.test("a pod is failed and its containers stopped at its active deadline", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf({ activeDeadlineSeconds: 60n }));
  await device.shows("app:running#0 ready");
  device.pass(61_000);
  await device.shows("app:terminated:143#0");
  assert.equal(
    device.podWorkers.findStatus("u1")?.failureReason,
    "DeadlineExceeded",
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { DeviceFixture, podOf } from "./_support/device_fixture.ts";

Deno.test("apply() brings a pod up: sandbox, init containers in order, then the others", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf({
    initContainers: [{ name: "i1", image: "img" }, {
      name: "i2",
      image: "img",
    }],
    containers: [{ name: "a", image: "img" }, { name: "b", image: "img" }],
  }));
  await device.called("start i1-0");
  await device.shows("a:waiting:PodInitializing#0");
  device.engine.end("i1-0", 0);
  await device.called("start i2-0");
  device.engine.end("i2-0", 0);
  await device.shows(
    "i1:terminated:0#0 ready i2:terminated:0#0 ready a:running#0 ready b:running#0 ready",
  );
  assert.deepEqual(device.engine.calls, [
    "sandbox u1",
    "start i1-0",
    "start i2-0",
    "start a-0",
    "start b-0",
  ]);
  const status = device.podWorkers.findStatus("u1");
  assert.deepEqual(status?.podIps, ["10.0.0.2"]);
  assert.deepEqual(status?.hostIps, ["192.0.2.1"]);
  assert.equal(status?.specHash, "h1");
});

Deno.test("a failing container is restarted, at growing intervals, and the former is in lastState", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.called("start app-0");
  device.engine.end("app-0", 7);
  await device.called("start app-1");
  await device.shows("app:running#1 ready");
  const status = device.podWorkers.findStatus("u1");
  const last = status?.containers[0]?.lastTerminated?.state;
  assert.equal(last?.case === "terminated" && last.value.exitCode, 7);
  device.engine.end("app-1", 7);
  await device.shows("app:waiting:CrashLoopBackOff#1");
  device.pass(10_000);
  await device.called("start app-2");
  device.engine.end("app-2", 7);
  await device.shows("app:waiting:CrashLoopBackOff#2");
  await device.called("remove app-0");
  assert.ok(device.events.some(({ reason }) => reason === "BackOff"));
});

Deno.test("one pod that can't be started does not touch another", async () => {
  await using device = await DeviceFixture.start();
  device.engine.failures.set("bad", new AranyaError("internal", "Cannot x"));
  await device.podWorkers.apply(
    podOf({ containers: [{ name: "bad", image: "img" }] }),
  );
  await device.podWorkers.apply(podOf({ uid: "u2", name: "other" }));
  await device.shows("app:running#0 ready", "u2");
  await device.shows("bad:waiting:RunContainerError#0");
});

Deno.test("an engine that is away is waited for", async () => {
  await using device = await DeviceFixture.start();
  device.engine.away = true;
  await device.podWorkers.apply(podOf());
  await device.shows("app:waiting:ContainerCreating#0");
  device.engine.away = false;
  device.engine.tell("");
  await device.shows("app:running#0 ready");
});

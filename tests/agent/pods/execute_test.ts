// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DeviceFixture, podOf, readDir } from "./_support/device_fixture.ts";

Deno.test("remove() runs preStop, stops with the rest of the grace, and says gone; forget() leaves nothing", async () => {
  await using device = await DeviceFixture.start();
  const hooks: string[] = [];
  device.engine.exec = ({ command }) => {
    hooks.push(command.join(" "));
    return Promise.resolve({ code: 0 });
  };
  await device.podWorkers.apply(podOf({
    volumes: [{ name: "v", source: { case: "emptyDir", value: {} } }],
    containers: [{
      name: "app",
      image: "img",
      preStop: { action: { case: "exec", value: { command: ["bye"] } } },
    }],
  }));
  await device.shows("app:running#0 ready");
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 20 });
  await device.shows("app:terminated:143#0 gone");
  assert.deepEqual(hooks, ["bye"]);
  assert.ok(device.engine.calls.includes("stop app-0 20s"));
  await assert.rejects(device.podWorkers.apply(podOf()), /it is being removed/);
  await device.podWorkers.purge("u1");
  await device.called("remove sandbox u1");
  await device.until(
    "kept",
    () => device.podWorkers.findStatus("u1") === undefined,
  );
  assert.deepEqual(await device.podWorkers.list(), []);
  assert.deepEqual(await Array.fromAsync(readDir(`${device.dir}/pods`)), []);
  assert.deepEqual(await Array.fromAsync(readDir(`${device.dir}/volumes`)), []);
});

Deno.test("remove() again with less grace shortens the stop that runs", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.shows("app:running#0 ready");
  const gate = Promise.withResolvers<void>();
  device.engine.gates.set("stop app-0", gate.promise);
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 600 });
  await device.called("stop app-0 600s");
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 5 });
  await device.called("stop app-0 5s");
  gate.resolve();
  await device.shows("gone");
});

Deno.test("remove() cuts a preStop hook short when the grace is over", async () => {
  await using device = await DeviceFixture.start();
  device.engine.exec = (_request, { signal }) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  await device.podWorkers.apply(podOf({
    containers: [{
      name: "app",
      image: "img",
      preStop: { action: { case: "exec", value: { command: ["hang"] } } },
    }],
  }));
  await device.shows("app:running#0 ready");
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 600 });
  await device.until(
    "no stop began",
    () => device.events.some(({ reason }) => reason === "Killing"),
  );
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 0 });
  await device.called("stop app-0 2s");
  await device.shows("gone");
});

Deno.test("remove() gives up a start that hangs", async () => {
  await using device = await DeviceFixture.start();
  const gate = Promise.withResolvers<void>();
  device.engine.gates.set("app", gate.promise);
  await device.podWorkers.apply(podOf());
  await device.called("sandbox u1");
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  gate.resolve();
  await device.shows("gone");
  assert.equal(device.engine.find("app-0"), undefined);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { sha256Hex, utf8 } from "../../../lib/shared/base/mod.ts";
import { DeviceFixture, podOf, readDir } from "./_support/device_fixture.ts";

Deno.test("a restarted agent finds its pods running and starts nothing", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.shows("app:running#0 ready");
  const before = device.podWorkers.findStatus("u1");
  const calls = device.engine.calls.length;
  await device.stopAgent();
  await device.startAgent();
  const [after] = await device.podWorkers.list();
  assert.equal(after?.containers[0]?.containerId, "docker://app-0");
  assert.deepEqual(after?.containers, before?.containers);
  assert.equal(device.engine.calls.length, calls);
  assert.ok((after?.version ?? 0n) > (before?.version ?? 0n));
});

Deno.test("a device that boots without a link starts its pods in a new sandbox", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.shows("app:running#0 ready");
  await device.stopAgent();
  device.online = false;
  device.engine.end("app-0", 137);
  const pod = device.engine.pods.get("u1");
  assert.ok(pod?.sandbox);
  pod.sandbox.running = false;
  await device.startAgent();
  await device.called("start app-1");
  await device.shows("app:running#1 ready");
});

Deno.test("remove() of a pod that is unknown here is not found", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.list();
  await assert.rejects(
    device.podWorkers.remove({ uid: "u1", graceSeconds: 30 }),
    {
      code: "not_found",
    },
  );
  assert.equal(device.podWorkers.findStatus("u1"), undefined);
});

Deno.test("a damaged record leaves its containers alone until the operator speaks", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.shows("app:running#0 ready");
  await device.stopAgent();
  await Deno.writeFile(`${device.dir}/pods/u1`, utf8("torn"));
  const calls = device.engine.calls.length;
  await device.startAgent();
  const [orphan] = await device.podWorkers.list();
  assert.equal(orphan?.specHash, "");
  assert.equal(orphan?.containers[0]?.state?.state.case, "running");
  await device.podWorkers.apply(podOf());
  await device.until(
    "not adopted",
    () => device.podWorkers.findStatus("u1")?.specHash === "h1",
  );
  await device.shows("app:running#0 ready");
  assert.equal(device.engine.calls.length, calls);
});

Deno.test("a changed ConfigMap reaches the file while the container runs; its content survives without a link", async () => {
  await using device = await DeviceFixture.start();
  const specOf = async (text: string) => {
    const sha256 = await sha256Hex(utf8(text));
    device.blobs.set(sha256, utf8(text));
    return podOf({
      specHash: text,
      volumes: [{
        name: "conf",
        source: {
          case: "files",
          value: { files: [{ path: "a", sha256, mode: 0o644 }] },
        },
      }],
    });
  };
  await device.podWorkers.apply(await specOf("one"));
  await device.shows("app:running#0 ready");
  const path = `${device.dir}/volumes/u1/volumes/conf/a`;
  assert.equal(await Deno.readTextFile(path), "one");
  await device.podWorkers.apply(await specOf("two"));
  await device.until(
    "not changed",
    () => Deno.readTextFileSync(path) === "two",
  );
  assert.equal(
    device.engine.calls.filter((call) => call.startsWith("start")).length,
    1,
  );
  assert.equal(
    (await Array.fromAsync(readDir(`${device.dir}/blobs`))).length,
    1,
  );
  await device.stopAgent();
  device.online = false;
  await Deno.remove(`${device.dir}/volumes`, { recursive: true });
  await device.startAgent();
  await device.until("not restored", () => {
    try {
      return Deno.readTextFileSync(path) === "two";
    } catch {
      return false;
    }
  });
});

Deno.test("content that can't be had holds the pod back until there is a link", async () => {
  await using device = await DeviceFixture.start();
  device.online = false;
  const sha256 = await sha256Hex(utf8("x"));
  device.blobs.set(sha256, utf8("x"));
  await device.podWorkers.apply(podOf({
    volumes: [{
      name: "conf",
      source: { case: "files", value: { files: [{ path: "a", sha256 }] } },
    }],
  }));
  await device.until(
    "no event",
    () => device.events.some(({ reason }) => reason === "FailedMount"),
  );
  assert.match(device.say(), /app:waiting:ContainerCreating/);
  device.online = true;
  device.podWorkers.retryFailures();
  await device.shows("app:running#0 ready");
});

Deno.test("a new pod of the same name waits for the old one to be gone", async () => {
  await using device = await DeviceFixture.start();
  await device.podWorkers.apply(podOf());
  await device.shows("app:running#0 ready");
  const gate = Promise.withResolvers<void>();
  device.engine.gates.set("stop app-0", gate.promise);
  await device.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await device.podWorkers.apply(podOf({ uid: "u2" }));
  await device.called("stop app-0 30s");
  await device.shows("app:waiting:ContainerCreating#0", "u2");
  assert.ok(!device.engine.calls.includes("sandbox u2"));
  gate.resolve();
  await device.called("sandbox u2");
});

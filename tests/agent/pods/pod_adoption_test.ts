// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";

Deno.test('adoptForRemoval() throws "unavailable" when the engine may hold the pod and can\'t be read', async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.stopAgent();
  await Deno.remove(`${fixture.dir}/pods/u1`);
  fixture.engine.unavailable = true;
  await fixture.startAgent();
  const removal = { uid: "u1", graceSeconds: 5 };
  await assert.rejects(fixture.podWorkers.remove(removal), {
    code: "unavailable",
    message: /^Cannot remove pod u1: /,
  });
  fixture.engine.unavailable = false;
  await fixture.podWorkers.remove(removal);
  await fixture.waitForStatus("pod:terminated");
  const status = fixture.podWorkers.findStatus("u1");
  assert.deepEqual([status?.namespace, status?.name], ["ns", "web"]);
});

/** Puts a pod with a running container on the engine that the agent does not know. */
function addOrphan(fixture: PodsFixture): void {
  const container = { name: "app", image: "img" };
  fixture.engine.pods.set("u9", {
    uid: "u9",
    namespace: "ns",
    name: "orphan",
    sandbox: { id: "s9", running: true, podIps: [] },
    containers: [{
      ...container,
      id: "app-9",
      kind: "app",
      attempt: 0,
      imageId: "",
      state: "running",
      startedUnixMs: 1,
      finishedUnixMs: 0,
      exitCode: 0,
      oomKilled: false,
      error: "",
      labels: {},
    }],
  });
}

Deno.test("adoptForRemoval() returns a worker for a pod that the engine holds and the agent does not know", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.list();
  addOrphan(fixture);
  await fixture.podWorkers.remove({ uid: "u9", graceSeconds: 5 });
  await fixture.waitForStop("app-9", { graceSeconds: 5 });
  await fixture.waitUntil(
    "the pod is not terminated",
    () => fixture.podWorkers.findStatus("u9")?.terminated === true,
  );
  assert.equal(fixture.podWorkers.findStatus("u9")?.name, "orphan");
});

Deno.test("onListing() adopts a pod that appears on the engine by itself after a minute", async () => {
  await using fixture = await PodsFixture.start();
  const minute = fixture.holdSleeps(60_000);
  await fixture.podWorkers.list();
  addOrphan(fixture);
  fixture.engine.notifyWatchers("");
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  assert.equal(fixture.podWorkers.findStatus("u9"), undefined);
  fixture.aheadMs += 60_000;
  minute.release();
  await fixture.waitForStatus("app:running#0", "u9");
  assert.equal(fixture.podWorkers.findStatus("u9")?.specHash, "");
  assert.ok(!fixture.engine.calls.some((call) => call.startsWith("stop")));
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { VirtualPodKeeper } from "../../../lib/operator/device/ensure_virtual_pod.ts";
import { ObjectWriter } from "../../../lib/operator/device/writer.ts";
import { POD } from "../../../lib/operator/kube/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";

const signal = new AbortController().signal;

async function createFixture() {
  const fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const writer = new ObjectWriter(fixture.api);
  writer.begin(device.edge);
  return {
    fixture,
    writer,
    keeper: new VirtualPodKeeper(device, writer),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

Deno.test("ensure() creates the pod with its status, once", async () => {
  await using given = await createFixture();
  const { fixture, keeper } = given;
  await keeper.ensure(signal);
  await keeper.ensure(signal);
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "create pods": 1,
    "patch pods/status": 1,
  });
  const { status } = await fixture.api.get(POD, fixture.ref);
  assert.equal(status?.phase, "Running");
});

Deno.test("ensure() creates a deleted pod again after a delay", async () => {
  await using given = await createFixture();
  const { fixture, writer, keeper } = given;
  await keeper.ensure(signal);
  await fixture.api.deleteObject(POD, fixture.ref);
  await fixture.waitForInformers();
  writer.forgetWrite("Pod");
  fixture.enqueued.length = 0;
  await keeper.ensure(signal);
  assert.deepEqual(fixture.enqueued, [fixture.ref.name]);
  assert.equal(await fixture.api.find(POD, fixture.ref), undefined);
});

Deno.test("ensure() reports a conflict for a foreign pod and leaves it alone", async () => {
  await using given = await createFixture();
  const { fixture, writer, keeper } = given;
  const foreign = await fixture.api.putObject(POD, {
    metadata: fixture.ref,
    spec: { containers: [{ name: "app", image: "i" }] },
  });
  await keeper.ensure(signal);
  assert.deepEqual(writer.conflicts.map(({ reason }) => reason), ["PodExists"]);
  const found = await fixture.api.get(POD, fixture.ref);
  assert.equal(found.metadata.uid, foreign.metadata.uid);
});

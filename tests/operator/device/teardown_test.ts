// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  keyOf,
  LEASE,
  NODE,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import {
  tearDown,
  type TeardownState,
} from "../../../lib/operator/device/mod.ts";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;

/**
 * Creates a device with a connected agent that stops no pod, and a pod that was sent to it, and
 * deletes the EdgeDevice.
 */
async function deleteConnectedDevice(fixture: DeviceFixture) {
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const agent = await fixture.connectAgent(device);
  const pod = await putPod(fixture);
  const findPod = () => fixture.api.find(POD, pod.metadata);
  await until(
    async () => (await findPod())?.status?.startTime !== undefined,
    "a pod that was sent",
  );
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  device.observeEdge(await fixture.api.get(EDGE_DEVICE, fixture.ref));
  const state: TeardownState = {};
  return {
    device,
    agent,
    findPod,
    tear: () => tearDown(device, { state, objects: reconciler, signal }),
  };
}

/** Creates and deletes a device; returns its `tearDown`. */
async function deleteDevice(
  fixture: DeviceFixture,
  { isSynced }: { isSynced: boolean },
) {
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  if (isSynced) await fixture.waitForInformers();
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  device.observeEdge(await fixture.api.get(EDGE_DEVICE, fixture.ref));
  return () =>
    tearDown(device, {
      state: {},
      objects: reconciler,
      signal,
    });
}

/** Creates a pod that is bound to the Node; resolves once the informers have it. */
async function putPod(fixture: DeviceFixture) {
  const { namespace, name } = fixture.ref;
  const pod = await fixture.api.putObject(POD, {
    metadata: { namespace, name: "web" },
    spec: {
      nodeName: name,
      automountServiceAccountToken: false,
      containers: [{ name: "app", image: "i" }],
    },
  });
  const { sources } = fixture.stores;
  await until(
    () => sources.findPod(keyOf(pod)) !== undefined,
    "a pod in its store",
  );
  return pod;
}

for (const isSynced of [true, false]) {
  const when = isSynced ? "" : " before the informers have seen it";
  Deno.test(`tearDown() removes every object${when}`, async () => {
    await using fixture = await DeviceFixture.start();
    const tear = await deleteDevice(fixture, { isSynced });
    assert.equal(await tear(), true);
    for (
      const type of [
        NODE,
        LEASE,
        SECRET,
        SERVICE,
        ENDPOINT_SLICE,
        POD,
        EDGE_DEVICE,
      ]
    ) assert.deepEqual(await fixture.api.listKeys(type), [], type.kind);
  });
}

Deno.test("tearDown() completes without the right to delete objects that the garbage collector deletes too", async () => {
  await using fixture = await DeviceFixture.start();
  const tear = await deleteDevice(fixture, { isSynced: true });
  for (const plural of ["secrets", "services", "endpointslices", "pods"]) {
    fixture.api.failures.set(
      `delete ${plural}`,
      new AranyaError("forbidden", `Cannot delete ${plural}: no`),
    );
  }
  assert.equal(await tear(), true);
  assert.deepEqual(await fixture.api.listKeys(NODE), []);
  assert.deepEqual(await fixture.api.listKeys(LEASE), []);
  assert.deepEqual(await fixture.api.listKeys(EDGE_DEVICE), []);
});

Deno.test("tearDown() keeps the EdgeDevice while its Node can't be deleted", async () => {
  await using fixture = await DeviceFixture.start();
  const tear = await deleteDevice(fixture, { isSynced: true });
  const refusal = new AranyaError("forbidden", "Cannot delete nodes: no");
  fixture.api.failures.set("delete nodes", refusal);
  await assert.rejects(tear(), refusal);
  assert.equal((await fixture.api.listKeys(EDGE_DEVICE)).length, 1);
});

Deno.test("tearDown() leaves foreign objects of the device's name alone", async () => {
  await using fixture = await DeviceFixture.start();
  await fixture.api.putObject(SERVICE, {
    metadata: fixture.ref,
    spec: { ports: [{ port: 80 }] },
  });
  const tear = await deleteDevice(fixture, { isSynced: true });
  assert.equal(await tear(), true);
  assert.deepEqual(await fixture.api.listKeys(SERVICE), [
    keyOf({ metadata: fixture.ref }),
  ]);
});

Deno.test("tearDown() never touches the pods of a foreign Node", async () => {
  await using fixture = await DeviceFixture.start();
  const { name } = fixture.ref;
  const node = await fixture.api.putObject(NODE, { metadata: { name } });
  const pod = await putPod(fixture);
  const tear = await deleteDevice(fixture, { isSynced: true });
  assert.equal(await tear(), true);
  assert.deepEqual(await fixture.api.get(NODE, { name }), node);
  assert.deepEqual(await fixture.api.get(POD, pod.metadata), pod);
  assert.equal(
    await fixture.api.find(EDGE_DEVICE, fixture.ref),
    undefined,
  );
});

Deno.test("tearDown() deletes the pods of an offline device without waiting", async () => {
  await using fixture = await DeviceFixture.start();
  const tear = await deleteDevice(fixture, { isSynced: true });
  await putPod(fixture);
  assert.equal(await tear(), true);
  assert.deepEqual(await fixture.api.listKeys(POD), []);
});

Deno.test("tearDown() waits until the pods of every namespace are known", async () => {
  await using fixture = await DeviceFixture.start();
  const tear = await deleteDevice(fixture, { isSynced: true });
  const { sources } = fixture.stores;
  const known = sources.hasListedPods.bind(sources);
  sources.hasListedPods = () => false;
  assert.equal(await tear(), false);
  assert.equal((await fixture.api.listKeys(NODE)).length, 1);
  sources.hasListedPods = known;
  assert.equal(await tear(), true);
});

Deno.test("tearDown() waits for a connected device's pods, and deletes them by force after the deadline", async () => {
  await using fixture = await DeviceFixture.start();
  const { agent, findPod, tear } = await deleteConnectedDevice(fixture);
  assert.equal(await tear(), false);
  assert.equal(await tear(), false);
  assert.equal((await findPod())?.metadata.deletionGracePeriodSeconds, 30);
  assert.ok(await fixture.api.find(NODE, { name: fixture.ref.name }));
  // The grace period, and what is allowed beyond it.
  fixture.clock.advance(51_000);
  assert.equal(await tear(), true);
  assert.equal(await findPod(), undefined);
  assert.deepEqual(await fixture.api.listKeys(EDGE_DEVICE), []);
  await agent.ended;
});

Deno.test("tearDown() waits for a device that has just lost its link, and not for one that stays away", async () => {
  await using fixture = await DeviceFixture.start();
  const { agent, findPod, tear } = await deleteConnectedDevice(fixture);
  agent.links.cut();
  await agent.ended;
  assert.equal(await tear(), false);
  assert.ok(await findPod());
  fixture.clock.advance(31_000);
  assert.equal(await tear(), true);
  assert.equal(await findPod(), undefined);
});

Deno.test("tearDown() by a new leader lets a device that was connected come back and stop its pods", async () => {
  await using fixture = await DeviceFixture.start({
    reconnectGraceMs: 600_000,
  });
  const { device: former, findPod } = await deleteConnectedDevice(fixture);
  await former[Symbol.asyncDispose]();
  const { device, reconciler } = fixture.openDevice(former.edge);
  const state: TeardownState = {};
  const tear = () => tearDown(device, { state, objects: reconciler, signal });
  assert.equal(await tear(), false);
  assert.deepEqual(device.credential.keys, former.credential.keys);
  const { sources } = fixture.stores;
  // Otherwise the pod would be sent again, to an agent that then reports nothing about it.
  await until(
    () =>
      sources.listPods(device.name).some(({ metadata }) =>
        metadata.name === "web" && metadata.deletionTimestamp !== undefined
      ),
    "a deleted pod in its store",
  );
  // The agent lists no pods: it has stopped this one.
  const agent = await fixture.connectAgent(device);
  await until(async () => await findPod() === undefined, "a finalized pod");
  await until(
    () => sources.listPods(device.name).length === 1,
    "the virtual pod alone",
  );
  assert.equal(await tear(), true);
  await agent.ended;
});

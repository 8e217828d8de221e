// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  EDGE_DEVICE,
  type KubeObject,
  NODE,
  type ObjectRef,
  type ObjectType,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import { DeviceRegistry } from "../../../lib/operator/fleet/device_registry.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

function openRegistry(fixture: DeviceFixture) {
  return new DeviceRegistry({
    context: fixture.context,
    heartbeats: { start() {}, stop() {} },
  });
}

async function applyDevice(fixture: DeviceFixture): Promise<void> {
  await fixture.api.putObject(EDGE_DEVICE, { metadata: fixture.ref, spec: {} });
}

/** Deletes an object and waits until it exists again. */
async function deleteAndAwait(
  fixture: DeviceFixture,
  type: ObjectType<KubeObject>,
  ref: ObjectRef,
): Promise<void> {
  const { metadata } = await fixture.api.get(type, ref);
  await fixture.api.deleteObject(type, ref);
  await until(async () => {
    const now = await fixture.api.find(type, ref);
    return now !== undefined && now.metadata.uid !== metadata.uid;
  }, type.kind);
}

async function untilReconciled(fixture: DeviceFixture): Promise<void> {
  await until(
    () =>
      fixture.api.writes.some(({ what }) =>
        what === "patch edgedevices/status"
      ),
    "a reconciled device",
  );
}

Deno.test("DeviceRegistry creates the objects of a new EdgeDevice and removes those of a deleted one", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  assert.equal(devices.size, 1);
  assert.ok(devices.find(fixture.ref.name)?.findKeys());
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  await until(() => devices.size === 0, "no device");
  for (const type of [NODE, SECRET, SERVICE, POD, EDGE_DEVICE]) {
    assert.deepEqual(await fixture.api.listKeys(type), [], type.kind);
  }
});

Deno.test("DeviceRegistry finds a device that is being deleted until its pods have stopped", async () => {
  await using fixture = await DeviceFixture.start({
    reconnectGraceMs: 600_000,
  });
  const { namespace, name } = fixture.ref;
  const edge = await fixture.api.putObject(EDGE_DEVICE, {
    metadata: fixture.ref,
    spec: {},
    status: {
      conditions: [{
        type: "Connected",
        status: "True",
        reason: "LinkUp",
        message: "up",
        lastTransitionTime: "2026-01-02T03:04:05Z",
      }],
    },
  });
  await fixture.openDevice(edge).reconciler.reconcile(
    new AbortController().signal,
  );
  await fixture.api.putObject(POD, {
    metadata: { namespace, name: "web" },
    spec: {
      nodeName: name,
      automountServiceAccountToken: false,
      containers: [{ name: "app", image: "i" }],
    },
    status: { startTime: "2026-01-02T03:04:05Z" },
  });
  await fixture.waitForInformers();
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  await using devices = openRegistry(fixture);
  const { sources } = fixture.stores;
  // Otherwise the pod would be sent again, to an agent that then reports nothing about it.
  await until(
    () =>
      sources.findPod(`${namespace}/web`)?.metadata.deletionTimestamp !==
        undefined,
    "a pod that is being deleted",
  );
  const device = devices.find(name);
  assert.ok(device);
  await fixture.connectAgent(device);
  await until(() => devices.size === 0, "no device");
  assert.equal(devices.find(name), undefined);
  assert.deepEqual(await fixture.api.listKeys(POD), []);
});

Deno.test("DeviceRegistry creates deleted objects again", async () => {
  await using fixture = await DeviceFixture.start();
  await using _devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  for (const type of [SERVICE, POD]) {
    await deleteAndAwait(fixture, type, fixture.ref);
  }
  await deleteAndAwait(fixture, NODE, { name: fixture.ref.name });
});

Deno.test("DeviceRegistry revokes the credential when its Secret is deleted", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  const before = devices.find(fixture.ref.name)?.findKeys()?.key;
  const { namespace, name } = fixture.ref;
  await deleteAndAwait(fixture, SECRET, { namespace, name: `${name}-agent` });
  assert.ok(before);
  assert.notDeepEqual(devices.find(fixture.ref.name)?.findKeys()?.key, before);
});

Deno.test("DeviceRegistry keeps credential and link when the Secret loses a label, and restores the label", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  const { namespace, name } = fixture.ref;
  const device = devices.find(name);
  assert.ok(device);
  const before = device.credential.keys;
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  const ref = { namespace, name: `${name}-agent` };
  const { data } = await fixture.api.get(SECRET, ref);
  await fixture.api.patchObject(SECRET, ref, {
    metadata: { labels: { "arhat.dev/role": null } },
  });
  await until(async () => {
    const { metadata } = await fixture.api.get(SECRET, ref);
    return metadata.labels?.["arhat.dev/role"] === "EdgeDevice";
  }, "a label");
  assert.deepEqual((await fixture.api.get(SECRET, ref)).data, data);
  assert.deepEqual(device.credential.keys, before);
  assert.equal(device.link.isUp, true);
  agent.links.cut();
  await agent.ended;
});

Deno.test("DeviceRegistry replaces the device of an EdgeDevice that was deleted and created again", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  const before = devices.find(fixture.ref.name);
  await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { finalizers: null },
  });
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  // The registry may have added the finalizer again; it then removes the device itself.
  await until(
    async () => await fixture.api.find(EDGE_DEVICE, fixture.ref) === undefined,
    "no EdgeDevice",
  );
  await applyDevice(fixture);
  await until(
    () => ![undefined, before].includes(devices.find(fixture.ref.name)),
    "another device",
  );
  assert.equal(devices.size, 1);
});

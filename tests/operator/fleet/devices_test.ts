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
import { createDevices } from "../../../lib/operator/fleet/devices.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../_support/wait.ts";

function open(fixture: DeviceFixture) {
  return createDevices({ context: fixture.context });
}

async function apply(fixture: DeviceFixture): Promise<void> {
  await fixture.api.putObject(EDGE_DEVICE, { metadata: fixture.ref, spec: {} });
}

/** Somebody deletes an object. */
async function mustComeBack(
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

async function ready(fixture: DeviceFixture): Promise<void> {
  await until(
    () =>
      fixture.api.writes.some(({ what }) =>
        what === "patch edgedevices/status"
      ),
    "a device that is set up",
  );
}

Deno.test("createDevices() sets up what is applied and removes what is deleted", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = open(fixture);
  await apply(fixture);
  await ready(fixture);
  assert.equal(devices.size, 1);
  assert.ok(devices.find(fixture.ref.name)?.keys);
  assert.deepEqual(devices.endpoints(), ["10.0.0.7:9443"]);
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  await until(() => devices.size === 0, "no device");
  for (const type of [NODE, SECRET, SERVICE, POD, EDGE_DEVICE]) {
    assert.deepEqual(await fixture.api.listKeys(type), [], type.kind);
  }
});

Deno.test("createDevices() repairs drift as soon as a watch tells of it", async () => {
  await using fixture = await DeviceFixture.start();
  await using _devices = open(fixture);
  await apply(fixture);
  await ready(fixture);
  await fixture.waitForInformers();
  for (const type of [SERVICE, POD]) {
    await mustComeBack(fixture, type, fixture.ref);
  }
  await mustComeBack(fixture, NODE, { name: fixture.ref.name });
});

Deno.test("createDevices() revokes the credential when its Secret is deleted", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = open(fixture);
  await apply(fixture);
  await ready(fixture);
  await fixture.waitForInformers();
  const before = devices.find(fixture.ref.name)?.keys?.key;
  const { namespace, name } = fixture.ref;
  await mustComeBack(fixture, SECRET, { namespace, name: `${name}-agent` });
  assert.ok(before);
  assert.notDeepEqual(devices.find(fixture.ref.name)?.keys?.key, before);
});

Deno.test("createDevices() starts anew for an EdgeDevice that was replaced by one of its name", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = open(fixture);
  await apply(fixture);
  await ready(fixture);
  const before = devices.find(fixture.ref.name);
  await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { finalizers: null },
  });
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  // The finalizer may have come back first; then the end is an orderly one.
  await until(
    async () => await fixture.api.find(EDGE_DEVICE, fixture.ref) === undefined,
    "no EdgeDevice",
  );
  await apply(fixture);
  await until(
    () => ![undefined, before].includes(devices.find(fixture.ref.name)),
    "another device",
  );
  assert.equal(devices.size, 1);
});

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
import { Stage, until } from "../device/_support/stage.ts";

function open(stage: Stage) {
  return createDevices({ context: stage.context });
}

async function apply(stage: Stage): Promise<void> {
  await stage.api.put(EDGE_DEVICE, { metadata: stage.home, spec: {} });
}

/** Somebody deletes an object. */
async function mustComeBack(
  stage: Stage,
  type: ObjectType<KubeObject>,
  ref: ObjectRef,
): Promise<void> {
  const { metadata } = await stage.api.get(type, ref);
  await stage.api.take(type, ref);
  await until(async () => {
    const now = await stage.api.find(type, ref);
    return now !== undefined && now.metadata.uid !== metadata.uid;
  }, type.kind);
}

async function ready(stage: Stage): Promise<void> {
  await until(
    () =>
      stage.api.writes.some(({ what }) => what === "patch edgedevices/status"),
    "a device that is set up",
  );
}

Deno.test("createDevices() sets up what is applied and removes what is deleted", async () => {
  await using stage = await Stage.start();
  await using devices = open(stage);
  await apply(stage);
  await ready(stage);
  assert.equal(devices.size, 1);
  assert.ok(devices.find(stage.home.name)?.keys);
  assert.deepEqual(devices.endpoints(), ["10.0.0.7:9443"]);
  await stage.api.take(EDGE_DEVICE, stage.home);
  await until(() => devices.size === 0, "no device");
  for (const type of [NODE, SECRET, SERVICE, POD, EDGE_DEVICE]) {
    assert.deepEqual(await stage.api.names(type), [], type.kind);
  }
});

Deno.test("createDevices() repairs drift as soon as a watch tells of it", async () => {
  await using stage = await Stage.start();
  await using _devices = open(stage);
  await apply(stage);
  await ready(stage);
  await stage.settle();
  for (const type of [SERVICE, POD]) {
    await mustComeBack(stage, type, stage.home);
  }
  await mustComeBack(stage, NODE, { name: stage.home.name });
});

Deno.test("createDevices() revokes the credential when its Secret is deleted", async () => {
  await using stage = await Stage.start();
  await using devices = open(stage);
  await apply(stage);
  await ready(stage);
  await stage.settle();
  const before = devices.find(stage.home.name)?.keys?.key;
  const { namespace, name } = stage.home;
  await mustComeBack(stage, SECRET, { namespace, name: `${name}-agent` });
  assert.ok(before);
  assert.notDeepEqual(devices.find(stage.home.name)?.keys?.key, before);
});

Deno.test("createDevices() starts anew for an EdgeDevice that was replaced by one of its name", async () => {
  await using stage = await Stage.start();
  await using devices = open(stage);
  await apply(stage);
  await ready(stage);
  const before = devices.find(stage.home.name);
  await stage.api.change(EDGE_DEVICE, stage.home, {
    metadata: { finalizers: null },
  });
  await stage.api.take(EDGE_DEVICE, stage.home);
  // The finalizer may have come back first; then the end is an orderly one.
  await until(
    async () => await stage.api.find(EDGE_DEVICE, stage.home) === undefined,
    "no EdgeDevice",
  );
  await apply(stage);
  await until(
    () => ![undefined, before].includes(devices.find(stage.home.name)),
    "another device",
  );
  assert.equal(devices.size, 1);
});

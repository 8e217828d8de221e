// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EDGE_DEVICE, NODE, POD, SECRET, SERVICE } from "../../lib/kube/mod.ts";
import { createDevices } from "../../lib/operator/devices.ts";
import { Stage, until } from "../device/stage.ts";

const HOME = { namespace: "home", name: "edge-1" };

async function given(stage: Stage) {
  await stage.stores.synced();
  return createDevices({ context: stage.context });
}

function apply(stage: Stage): void {
  stage.api.put(EDGE_DEVICE, { metadata: { ...HOME }, spec: {} });
}

async function ready(stage: Stage): Promise<void> {
  await until(
    () =>
      stage.api.writes.some(({ what }) => what === "patch edgedevices/status"),
    "a device that is set up",
  );
}

Deno.test("createDevices() sets up what is applied and removes what is deleted", async () => {
  await using stage = new Stage();
  await using devices = await given(stage);
  apply(stage);
  await ready(stage);
  assert.equal(devices.size, 1);
  assert.ok(devices.find("edge-1")?.keys);
  assert.deepEqual(devices.endpoints(), ["10.0.0.7:9443"]);
  await stage.api.delete(EDGE_DEVICE, HOME);
  await until(() => devices.size === 0, "no device");
  for (const type of [NODE, SECRET, SERVICE, POD, EDGE_DEVICE]) {
    assert.deepEqual(stage.api.names(type), [], type.kind);
  }
});

Deno.test("createDevices() repairs drift as soon as a watch tells of it", async () => {
  await using stage = new Stage();
  await using _devices = await given(stage);
  apply(stage);
  await ready(stage);
  await stage.settle();
  for (const type of [SERVICE, POD]) {
    stage.api.take(type, HOME);
    await until(() => stage.api.names(type).length === 1, type.kind);
  }
  stage.api.take(NODE, { name: "edge-1" });
  await until(() => stage.api.names(NODE).length === 1, "the Node");
});

Deno.test("createDevices() revokes the credential when its Secret is deleted", async () => {
  await using stage = new Stage();
  await using devices = await given(stage);
  apply(stage);
  await ready(stage);
  await stage.settle();
  const before = devices.find("edge-1")?.keys?.key;
  stage.api.take(SECRET, { namespace: "home", name: "edge-1-agent" });
  await until(() => stage.api.names(SECRET).length === 1, "a new Secret");
  assert.ok(before);
  assert.notDeepEqual(devices.find("edge-1")?.keys?.key, before);
});

Deno.test("createDevices() starts anew for an EdgeDevice that was replaced by one of its name", async () => {
  await using stage = new Stage();
  await using devices = await given(stage);
  apply(stage);
  await ready(stage);
  const before = devices.find("edge-1");
  apply(stage);
  await until(() => devices.find("edge-1") !== before, "another device");
  assert.equal(devices.size, 1);
});

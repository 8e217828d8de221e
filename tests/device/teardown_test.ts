// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  LEASE,
  NODE,
  POD,
  SECRET,
  SERVICE,
} from "../../lib/kube/mod.ts";
import { tearDown } from "../../lib/device/mod.ts";
import { Stage } from "./stage.ts";

const signal = new AbortController().signal;
const HOME = { namespace: "home", name: "edge-1" };

async function mustDelete(stage: Stage, { settles }: { settles: boolean }) {
  const { device, objects } = await stage.add();
  await objects.reconcile(signal);
  if (settles) await stage.settle();
  await stage.api.delete(EDGE_DEVICE, HOME);
  device.edge = await stage.api.get(EDGE_DEVICE, HOME);
  return () =>
    tearDown(device, {
      state: {},
      latest: (kind, stored) => objects.latest(kind, stored),
      signal,
    });
}

for (const settles of [true, false]) {
  const when = settles ? "" : ", also before the watches have seen it";
  Deno.test(`tearDown() leaves nothing${when}`, async () => {
    await using stage = new Stage();
    const tear = await mustDelete(stage, { settles });
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
    ) assert.deepEqual(stage.api.names(type), [], type.kind);
  });
}

Deno.test("tearDown() leaves foreign objects of the device's name alone", async () => {
  await using stage = new Stage();
  stage.api.put(SERVICE, { metadata: HOME });
  const tear = await mustDelete(stage, { settles: true });
  assert.equal(await tear(), true);
  assert.deepEqual(stage.api.names(SERVICE), ["home/edge-1"]);
});

Deno.test("tearDown() deletes the pods of a device that is away without waiting", async () => {
  await using stage = new Stage();
  const tear = await mustDelete(stage, { settles: true });
  stage.api.put(POD, {
    metadata: { namespace: "home", name: "web" },
    spec: { nodeName: "edge-1", containers: [] },
  });
  await stage.settle();
  assert.equal(await tear(), true);
  assert.deepEqual(stage.api.names(POD), []);
});

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
import { tearDown } from "../../../lib/operator/device/mod.ts";
import { Stage, until } from "./_support/stage.ts";

const signal = new AbortController().signal;

async function mustDelete(stage: Stage, { settles }: { settles: boolean }) {
  const { device, objects } = await stage.add();
  await objects.reconcile(signal);
  if (settles) await stage.settle();
  await stage.api.take(EDGE_DEVICE, stage.home);
  device.edge = await stage.api.get(EDGE_DEVICE, stage.home);
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
    await using stage = await Stage.start();
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
    ) assert.deepEqual(await stage.api.names(type), [], type.kind);
  });
}

Deno.test("tearDown() leaves foreign objects of the device's name alone", async () => {
  await using stage = await Stage.start();
  await stage.api.put(SERVICE, {
    metadata: stage.home,
    spec: { ports: [{ port: 80 }] },
  });
  const tear = await mustDelete(stage, { settles: true });
  assert.equal(await tear(), true);
  assert.deepEqual(await stage.api.names(SERVICE), [
    keyOf({ metadata: stage.home }),
  ]);
});

Deno.test("tearDown() deletes the pods of a device that is away without waiting", async () => {
  await using stage = await Stage.start();
  const tear = await mustDelete(stage, { settles: true });
  const { namespace, name } = stage.home;
  await stage.api.put(POD, {
    metadata: { namespace, name: "web" },
    spec: { nodeName: name, containers: [{ name: "app", image: "i" }] },
  });
  const { sources } = stage.stores;
  await until(() => sources.podsOfNode(name).length === 2, "its pods");
  assert.equal(await tear(), true);
  assert.deepEqual(await stage.api.names(POD), []);
});

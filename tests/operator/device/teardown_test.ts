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
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../_support/wait.ts";

const signal = new AbortController().signal;

async function mustDelete(
  fixture: DeviceFixture,
  { settles }: { settles: boolean },
) {
  const { device, objects } = await fixture.createDevice();
  await objects.reconcile(signal);
  if (settles) await fixture.waitForInformers();
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  device.edge = await fixture.api.get(EDGE_DEVICE, fixture.ref);
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
    await using fixture = await DeviceFixture.start();
    const tear = await mustDelete(fixture, { settles });
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

Deno.test("tearDown() leaves foreign objects of the device's name alone", async () => {
  await using fixture = await DeviceFixture.start();
  await fixture.api.putObject(SERVICE, {
    metadata: fixture.ref,
    spec: { ports: [{ port: 80 }] },
  });
  const tear = await mustDelete(fixture, { settles: true });
  assert.equal(await tear(), true);
  assert.deepEqual(await fixture.api.listKeys(SERVICE), [
    keyOf({ metadata: fixture.ref }),
  ]);
});

Deno.test("tearDown() deletes the pods of a device that is away without waiting", async () => {
  await using fixture = await DeviceFixture.start();
  const tear = await mustDelete(fixture, { settles: true });
  const { namespace, name } = fixture.ref;
  await fixture.api.putObject(POD, {
    metadata: { namespace, name: "web" },
    spec: { nodeName: name, containers: [{ name: "app", image: "i" }] },
  });
  const { sources } = fixture.stores;
  await until(() => sources.listPods(name).length === 2, "its pods");
  assert.equal(await tear(), true);
  assert.deepEqual(await fixture.api.listKeys(POD), []);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { EDGE_DEVICE, LEASE, NODE } from "../../../lib/operator/kube/mod.ts";
import { removeOrphans } from "../../../lib/operator/device/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";

const signal = new AbortController().signal;

/** Creates a device's objects; returns `removeOrphans` for its name. */
async function createObjects(fixture: DeviceFixture) {
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  return () =>
    removeOrphans(fixture.ref.name, {
      kube: fixture.context.kube,
      log: SILENT_LOGGER,
      signal,
    });
}

async function loseEdgeDevice(fixture: DeviceFixture): Promise<void> {
  await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { finalizers: null },
  });
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
}

Deno.test("removeOrphans() removes Node and Lease once the EdgeDevice no longer exists", async () => {
  await using fixture = await DeviceFixture.start();
  const remove = await createObjects(fixture);
  fixture.api.takeWriteCounts();
  await remove();
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
  await loseEdgeDevice(fixture);
  await remove();
  assert.deepEqual(await fixture.api.listKeys(NODE), []);
  assert.deepEqual(await fixture.api.listKeys(LEASE), []);
});

Deno.test("removeOrphans() leaves a Node alone that another kubelet registered meanwhile, and its Lease", async () => {
  await using fixture = await DeviceFixture.start();
  const remove = await createObjects(fixture);
  await loseEdgeDevice(fixture);
  const { name } = fixture.ref;
  await fixture.api.deleteObject(NODE, { name });
  const foreign = await fixture.api.putObject(NODE, { metadata: { name } });
  await remove();
  assert.deepEqual(await fixture.api.get(NODE, { name }), foreign);
  assert.equal((await fixture.api.listKeys(LEASE)).length, 1);
});

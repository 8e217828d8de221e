// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  claimPodRange,
  ensureLease,
  ensureNode,
  lastFactsOf,
  openKubelet,
} from "../../../lib/operator/device/ensure_node.ts";
import type { Device } from "../../../lib/operator/device/device.ts";
import { writeStatus } from "../../../lib/operator/device/ensure_edge.ts";
import { NetworkConditionLimit } from "../../../lib/operator/device/network_condition.ts";
import { ObjectWriter } from "../../../lib/operator/device/writer.ts";
import { LEASE, NODE } from "../../../lib/operator/kube/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";

const signal = new AbortController().signal;
const podCidr = "10.1.0.0/26";
const OPTIONS = { networkLimit: new NetworkConditionLimit(), podCidr, signal };

function beginWriter(fixture: DeviceFixture, device: Device): ObjectWriter {
  const writer = new ObjectWriter(fixture.api);
  writer.begin(device.edge);
  return writer;
}

Deno.test("claimPodRange() prefers the range of the EdgeDevice, else the previous one", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice({
    status: { podCIDR: "100.64.9.0/26" },
  });
  assert.deepEqual(claimPodRange(device), { cidr: "100.64.9.0/26" });
  device.observeEdge({ ...device.edge, spec: { pod: { cidr: podCidr } } });
  assert.deepEqual(claimPodRange(device), { cidr: podCidr });
});

Deno.test("claimPodRange() and writeStatus() ignore the range of another namespace's Node", async () => {
  await using fixture = await DeviceFixture.start();
  const { name } = fixture.ref;
  await fixture.api.putObject(NODE, {
    metadata: { name, labels: { "arhat.dev/role": "EdgeDevice" } },
    spec: { podCIDR: "10.9.0.0/24", providerID: `aranya://other/${name}` },
  });
  await fixture.waitForInformers();
  const { device } = await fixture.createDevice({
    status: { podCIDR: "100.64.9.0/26" },
  });
  assert.deepEqual(claimPodRange(device), { cidr: "100.64.9.0/26" });
  await writeStatus(device, {
    podCidr: "100.64.9.0/26",
    reconcileError: undefined,
    problems: [],
    signal,
  });
  assert.equal(device.edge.status?.podCIDR, "100.64.9.0/26");
});

Deno.test("openKubelet() asks for the port of the status, once", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice({
    status: { kubeletEndpoint: "[fd00::7]:20123" },
  });
  await openKubelet(device);
  assert.equal(device.kubelet?.port, 20_123);
  const { kubelet } = device;
  await openKubelet(device);
  assert.equal(device.kubelet, kubelet);
});

Deno.test("lastFactsOf() falls back to the report in the status", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice({
    status: { reported: { arch: "arm64" } },
  });
  assert.deepEqual(lastFactsOf(device), { arch: "arm64" });
});

Deno.test("ensureNode() creates the Node, and removes a label that was dropped from the EdgeDevice", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice({
    spec: { node: { labels: { rack: "1" } } },
  });
  const writer = beginWriter(fixture, device);
  await ensureNode(device, { ...OPTIONS, writer });
  assert.deepEqual(fixture.api.takeWriteCounts(), { "create nodes": 1 });
  device.observeEdge({ ...device.edge, spec: {} });
  const node = await ensureNode(device, { ...OPTIONS, writer });
  assert.deepEqual(fixture.api.takeWriteCounts(), { "patch nodes": 1 });
  assert.equal(node?.metadata.labels?.rack, undefined);
});

Deno.test("ensureNode() returns undefined and reports a conflict for a foreign Node", async () => {
  await using fixture = await DeviceFixture.start();
  const { name } = fixture.ref;
  await fixture.api.putObject(NODE, { metadata: { name } });
  const { device } = await fixture.createDevice();
  const writer = beginWriter(fixture, device);
  const node = await ensureNode(device, { ...OPTIONS, writer });
  assert.equal(node, undefined);
  assert.deepEqual(writer.conflicts.map(({ reason }) => reason), [
    "NodeExists",
  ]);
  await fixture.api.deleteObject(NODE, { name });
});

Deno.test("ensureNode() leaves a Node alone that replaced the device's own, before an informer has seen it", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const writer = beginWriter(fixture, device);
  const { name } = fixture.ref;
  await ensureNode(device, { ...OPTIONS, writer });
  await fixture.api.deleteObject(NODE, { name });
  const foreign = await fixture.api.putObject(NODE, { metadata: { name } });
  device.observeEdge({
    ...device.edge,
    spec: { node: { labels: { rack: "1" } } },
  });
  const node = await ensureNode(device, { ...OPTIONS, writer });
  assert.equal(node, undefined);
  assert.deepEqual(await fixture.api.get(NODE, { name }), foreign);
  assert.deepEqual(writer.conflicts.map(({ reason }) => reason), [
    "NodeExists",
  ]);
});

Deno.test("ensureLease() creates the Lease, and follows a Node that was created again", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const writer = beginWriter(fixture, device);
  const { name } = fixture.ref;
  const lease = { namespace: "kube-node-lease", name };
  for (const uid of ["u1", "u2"]) {
    const node = { metadata: { name, uid } };
    await ensureLease(device, { node, writer, signal });
    await ensureLease(device, { node, writer, signal });
    const { metadata } = await fixture.api.get(LEASE, lease);
    assert.equal(metadata.ownerReferences?.[0]?.uid, uid);
  }
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "create leases": 1,
    "patch leases": 1,
  });
});

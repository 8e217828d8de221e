// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AgentSecret } from "../../../lib/operator/device/agent_secret.ts";
import {
  ensureFinalizer,
  writeStatus,
} from "../../../lib/operator/device/ensure_edge.ts";
import { ObjectWriter } from "../../../lib/operator/device/writer.ts";
import { nameConflict } from "../../../lib/operator/device/problems.ts";
import { EDGE_DEVICE, EVENT } from "../../../lib/operator/kube/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";

const signal = new AbortController().signal;

Deno.test("ensureFinalizer() adds the finalizer once and observes the result", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const secret = new AgentSecret(device, new ObjectWriter(fixture.api));
  await ensureFinalizer(device, { secret, signal });
  await ensureFinalizer(device, { secret, signal });
  assert.deepEqual(fixture.api.takeWriteCounts(), { "patch edgedevices": 1 });
  assert.deepEqual(device.edge.metadata.finalizers, [
    "aranya.arhat.dev/clean-up",
  ]);
});

Deno.test("writeStatus() writes range and error once and observes the result", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const options = {
    podCidr: "10.1.0.0/26",
    reconcileError: { reason: "Forbidden", message: "Cannot create: no" },
    problems: [],
    signal,
  };
  await writeStatus(device, options);
  await writeStatus(device, options);
  await fixture.context.kube.events.flush();
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "patch edgedevices/status": 1,
    "create events": 1,
  });
  const { status } = await fixture.api.get(EDGE_DEVICE, fixture.ref);
  assert.deepEqual(device.edge.status, status);
  assert.equal(status?.podCIDR, "10.1.0.0/26");
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  assert.equal(ready?.reason, "Forbidden");
  assert.equal(ready?.message, "Cannot create: no");
});

Deno.test("writeStatus() records an Event with the sentence of a condition that has changed, once", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const options = { podCidr: "", reconcileError: undefined, signal };
  const problems = [nameConflict("Service", "edge/edge-1")];
  await writeStatus(device, { ...options, problems });
  await writeStatus(device, { ...options, problems });
  await fixture.context.kube.events.flush();
  const { items } = await fixture.api.list(EVENT, {
    namespace: fixture.ref.namespace,
  });
  assert.deepEqual(
    items.map(({ type, reason, message, count }) => ({
      type,
      reason,
      message,
      count,
    })),
    [{
      type: "Warning",
      reason: "ServiceExists",
      message: problems[0]?.message,
      count: 1,
    }],
  );
  assert.equal(items[0]?.involvedObject.kind, "EdgeDevice");
  assert.equal(items[0]?.involvedObject.uid, device.edge.metadata.uid);
});

Deno.test("writeStatus() leaves an EdgeDevice that was created again as it is", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const options = { reconcileError: undefined, problems: [], signal };
  await writeStatus(device, { ...options, podCidr: "10.1.0.0/26" });
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  const second = await fixture.api.putObject(EDGE_DEVICE, {
    spec: {},
    metadata: fixture.ref,
  });
  await assert.rejects(
    writeStatus(device, { ...options, podCidr: "10.2.0.0/26" }),
    { code: "conflict" },
  );
  assert.deepEqual(await fixture.api.get(EDGE_DEVICE, fixture.ref), second);
});

Deno.test("writeStatus() fails with conflict when the status was written meanwhile, and adds to it later", async () => {
  await using fixture = await DeviceFixture.start();
  const { device } = await fixture.createDevice();
  const options = {
    podCidr: "10.1.0.0/26",
    reconcileError: undefined,
    problems: [],
    signal,
  };
  const other = await fixture.api.putObject(EDGE_DEVICE, {
    ...device.edge,
    status: { agentVersion: "0.0.9" },
  });
  await assert.rejects(writeStatus(device, options), { code: "conflict" });
  device.observeEdge(other);
  await writeStatus(device, options);
  const { status } = await fixture.api.get(EDGE_DEVICE, fixture.ref);
  assert.equal(status?.agentVersion, "0.0.9");
  assert.equal(status?.podCIDR, "10.1.0.0/26");
});

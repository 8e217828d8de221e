// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toRfc3339Micro } from "../../../lib/shared/base/mod.ts";
import { ManagedDevice } from "../../../lib/operator/fleet/managed_device.ts";
import {
  EDGE_DEVICE,
  type EdgeDevice,
  LEASE,
  NODE,
  POD,
} from "../../../lib/operator/kube/mod.ts";
import { DeviceFixture } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;

/** Manages an EdgeDevice, and records calls for its heartbeats and its virtual pod. */
function manage(fixture: DeviceFixture, edge: EdgeDevice) {
  const calls: string[] = [];
  const managed = new ManagedDevice(edge, {
    context: fixture.context,
    heartbeats: {
      start: () => void calls.push("start"),
      stop: () => void calls.push("stop"),
    },
    onVirtualPodChanged: () => void calls.push("pod"),
  });
  return {
    managed,
    calls,
    [Symbol.asyncDispose]: () => managed.close("Cannot serve device: closed"),
  };
}

function putEdge(fixture: DeviceFixture, status: EdgeDevice["status"] = {}) {
  return fixture.api.putObject(EDGE_DEVICE, {
    metadata: fixture.ref,
    spec: {},
    status,
  });
}

Deno.test("sync() reconciles, and returns the interval of the settings", async () => {
  await using fixture = await DeviceFixture.start();
  await using given = manage(fixture, await putEdge(fixture));
  const afterMs = await given.managed.sync(signal) ?? 0;
  assert.ok(afterMs >= 480_000 && afterMs <= 600_000, `${afterMs}`);
  await until(() => given.calls.includes("pod"), "the virtual pod");
  assert.deepEqual(given.calls[0], "start");
});

Deno.test("sync() returns the reconnect deadline while an offline device may reconnect", async () => {
  await using fixture = await DeviceFixture.start({
    reconnectGraceMs: 60_000,
  });
  await using given = manage(fixture, await putEdge(fixture));
  const afterMs = await given.managed.sync(signal) ?? 0;
  assert.ok(afterMs > 0 && afterMs <= 61_000, `${afterMs}`);
});

Deno.test("sync() removes the objects of a deleted EdgeDevice, and then does nothing", async () => {
  await using fixture = await DeviceFixture.start();
  await using given = manage(fixture, await putEdge(fixture));
  const { managed, calls } = given;
  await managed.sync(signal);
  await fixture.waitForInformers();
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  managed.device.observeEdge(await fixture.api.get(EDGE_DEVICE, fixture.ref));
  assert.equal(managed.isDeleting, true);
  assert.equal(await managed.sync(signal), undefined);
  assert.equal(managed.isRemoved, true);
  assert.ok(calls.includes("stop"));
  assert.deepEqual(await fixture.api.listKeys(POD), []);
  fixture.api.takeWriteCounts();
  assert.equal(await managed.sync(signal), undefined);
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
});

/** How the Lease's time differs from this machine's when their clocks differ. */
const SKEWS_MS = [-3_600_000, 0, 3_600_000];

for (
  const { ready, expected } of [
    { ready: "True", expected: true },
    { ready: "Unknown", expected: false },
  ] as const
) {
  Deno.test(`isAlive is ${expected} for a connected device whose Node is Ready=${ready}, whatever the clocks show`, async () => {
    await using fixture = await DeviceFixture.start({
      reconnectGraceMs: 600_000,
    });
    const labels = {
      "arhat.dev/role": "EdgeDevice",
      "arhat.dev/namespace": fixture.ref.namespace,
    };
    const { name } = fixture.ref;
    const lastTransitionTime = "2026-01-02T03:04:05Z";
    await fixture.api.putObject(NODE, {
      metadata: { name, labels },
      spec: { providerID: `aranya://${fixture.ref.namespace}/${name}` },
      status: {
        conditions: [{ type: "Ready", status: ready, lastTransitionTime }],
      },
    });
    const edge = await putEdge(fixture, {
      conditions: [{
        type: "Connected",
        status: "True",
        reason: "LinkUp",
        message: "up",
        lastTransitionTime,
      }],
    });
    for (const skewMs of SKEWS_MS) {
      await fixture.api.putObject(LEASE, {
        metadata: { namespace: "kube-node-lease", name, labels },
        spec: { renewTime: toRfc3339Micro(Date.now() + skewMs) },
      });
      await fixture.waitForInformers();
      await using given = manage(fixture, edge);
      assert.equal(given.managed.isAlive, expected, `${skewMs} ms`);
    }
  });
}

Deno.test("isAlive is false for a connected device while another kubelet has the Node", async () => {
  await using fixture = await DeviceFixture.start();
  await using given = manage(fixture, await putEdge(fixture));
  const { device } = given.managed;
  await given.managed.sync(signal);
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  assert.equal(given.managed.isAlive, true);
  const { name } = fixture.ref;
  await fixture.waitForInformers();
  await fixture.api.deleteObject(NODE, { name });
  await fixture.api.putObject(NODE, { metadata: { name } });
  await fixture.waitForInformers();
  given.managed.reconciler.forgetWrite("Node");
  await given.managed.sync(signal);
  assert.equal(device.link.isUp, true);
  assert.equal(given.managed.isAlive, false);
  agent.links.cut();
  await agent.ended;
});

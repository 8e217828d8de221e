// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import {
  EDGE_DEVICE,
  type EdgeDevice,
  ENDPOINT_SLICE,
  LEASE,
  NODE,
  POD,
  SECRET,
} from "../../../lib/operator/kube/mod.ts";
import type { Device } from "../../../lib/operator/device/mod.ts";
import {
  ACCEPTING_HANDLERS,
  DeviceFixture,
} from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;

/** Connects an agent; returns the methods of the requests that it gets. */
async function connect(
  fixture: DeviceFixture,
  device: Device,
): Promise<Method[]> {
  const methods: Method[] = [];
  await fixture.connectAgent(device, {
    handlers: {
      ...ACCEPTING_HANDLERS,
      request(method) {
        methods.push(method);
        return Promise.resolve(new Uint8Array());
      },
    },
  });
  await until(() => device.link.isUp, "a link");
  return methods;
}

/** Creates a device's objects, and returns a new process' device for its EdgeDevice. */
async function openKnownDevice(fixture: DeviceFixture) {
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  return fixture.openDevice(
    await fixture.api.get<EdgeDevice>(EDGE_DEVICE, fixture.ref),
  );
}

Deno.test("ensureObjects() configures the device and writes everything else when one object is refused", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  const refusal = new AranyaError("forbidden", "Cannot create services: no");
  fixture.api.failures.set("create services", refusal);
  const methods = await connect(fixture, device);
  await assert.rejects(reconciler.reconcile(signal), refusal);
  for (const type of [NODE, LEASE, SECRET, ENDPOINT_SLICE, POD]) {
    assert.equal((await fixture.api.listKeys(type)).length, 1, type.kind);
  }
  await until(() => methods.includes(Method.CONFIGURE), "a configuration");
});

Deno.test("ensureObjects() configures a known device although the finalizer is refused, and writes nothing", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await openKnownDevice(fixture);
  device.observeEdge(
    await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
      metadata: { finalizers: null },
    }),
  );
  const refusal = new AranyaError("forbidden", "Cannot patch edgedevices: no");
  fixture.api.failures.set("patch edgedevices", refusal);
  fixture.api.takeWriteCounts();
  const methods = await connect(fixture, device);
  await assert.rejects(reconciler.reconcile(signal), refusal);
  await until(() => methods.includes(Method.CONFIGURE), "a configuration");
  await fixture.context.kube.events.flush();
  assert.deepEqual(Object.keys(fixture.api.takeWriteCounts()), [
    "patch edgedevices/status",
    "create events",
  ]);
});

Deno.test("ensureObjects() serves a known device without a kubelet port, and creates no Node for a new one", async () => {
  await using fixture = await DeviceFixture.start();
  const known = await openKnownDevice(fixture);
  fixture.context.kubelets.open = () =>
    Promise.reject(
      new AranyaError("conflict", "Cannot serve device: no port is free"),
    );
  const methods = await connect(fixture, known.device);
  await assert.rejects(known.reconciler.reconcile(signal), /no port is free/);
  await until(() => methods.includes(Method.CONFIGURE), "a configuration");
  assert.equal((await fixture.api.listKeys(POD)).length, 1);
  const other = `${fixture.ref.name}-b`;
  const edge = await fixture.api.putObject(EDGE_DEVICE, {
    metadata: { ...fixture.ref, name: other },
    spec: {},
  });
  const { device, reconciler } = fixture.openDevice(edge);
  await assert.rejects(reconciler.reconcile(signal), /no port is free/);
  assert.equal(device.ownsNode, false);
  assert.equal(await fixture.api.find(NODE, { name: other }), undefined);
});

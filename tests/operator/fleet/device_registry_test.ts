// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  EDGE_DEVICE,
  type KubeObject,
  LEASE,
  NODE,
  type ObjectRef,
  type ObjectType,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import { DeviceRegistry } from "../../../lib/operator/fleet/device_registry.ts";
import { DeviceFixture, SETTINGS } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

function openRegistry(fixture: DeviceFixture) {
  return new DeviceRegistry({
    context: fixture.context,
    heartbeats: { start() {}, stop() {} },
  });
}

async function applyDevice(fixture: DeviceFixture): Promise<void> {
  await fixture.api.putObject(EDGE_DEVICE, { metadata: fixture.ref, spec: {} });
}

/** Deletes an object and waits until it exists again. */
async function deleteAndAwait(
  fixture: DeviceFixture,
  type: ObjectType<KubeObject>,
  ref: ObjectRef,
): Promise<void> {
  const { metadata } = await fixture.api.get(type, ref);
  await fixture.api.deleteObject(type, ref);
  await until(async () => {
    const now = await fixture.api.find(type, ref);
    return now !== undefined && now.metadata.uid !== metadata.uid;
  }, type.kind);
}

async function untilReconciled(fixture: DeviceFixture): Promise<void> {
  await until(
    () =>
      fixture.api.writes.some(({ what }) =>
        what === "patch edgedevices/status"
      ),
    "a reconciled device",
  );
}

Deno.test("DeviceRegistry creates the objects of a new EdgeDevice and removes those of a deleted one", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  assert.equal(devices.size, 1);
  assert.ok(devices.find(fixture.ref.name)?.keys);
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  await until(() => devices.size === 0, "no device");
  for (const type of [NODE, SECRET, SERVICE, POD, EDGE_DEVICE]) {
    assert.deepEqual(await fixture.api.listKeys(type), [], type.kind);
  }
});

Deno.test("DeviceRegistry finds a device that is being deleted until its pods have stopped", async () => {
  await using fixture = await DeviceFixture.start({ reconnectGraceMs: 60_000 });
  const { namespace, name } = fixture.ref;
  const edge = await fixture.api.putObject(EDGE_DEVICE, {
    metadata: fixture.ref,
    spec: {},
    status: {
      conditions: [{
        type: "Connected",
        status: "True",
        reason: "LinkUp",
        message: "up",
        lastTransitionTime: "2026-01-02T03:04:05Z",
      }],
    },
  });
  await fixture.openDevice(edge).reconciler.reconcile(
    new AbortController().signal,
  );
  await fixture.api.putObject(POD, {
    metadata: { namespace, name: "web" },
    spec: {
      nodeName: name,
      automountServiceAccountToken: false,
      containers: [{ name: "app", image: "i" }],
    },
    status: { startTime: "2026-01-02T03:04:05Z" },
  });
  await fixture.waitForInformers();
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  await using devices = openRegistry(fixture);
  await until(
    async () =>
      (await fixture.api.get(POD, { namespace, name: "web" })).metadata
        .deletionTimestamp !== undefined,
    "a pod that is being deleted",
  );
  const device = devices.find(name);
  assert.ok(device?.keys);
  await fixture.connectAgent(device);
  await until(() => devices.size === 0, "no device");
  assert.equal(devices.find(name), undefined);
  assert.deepEqual(await fixture.api.listKeys(POD), []);
});

Deno.test("DeviceRegistry creates deleted objects again", async () => {
  await using fixture = await DeviceFixture.start();
  await using _devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  for (const type of [SERVICE, POD]) {
    await deleteAndAwait(fixture, type, fixture.ref);
  }
  await deleteAndAwait(fixture, NODE, { name: fixture.ref.name });
});

Deno.test("DeviceRegistry revokes the credential when its Secret is deleted", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  const before = devices.find(fixture.ref.name)?.keys?.key;
  const { namespace, name } = fixture.ref;
  await deleteAndAwait(fixture, SECRET, { namespace, name: `${name}-agent` });
  assert.ok(before);
  assert.notDeepEqual(devices.find(fixture.ref.name)?.keys?.key, before);
});

Deno.test("DeviceRegistry keeps credential and link when the Secret loses a label, and restores the label", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  const { namespace, name } = fixture.ref;
  const device = devices.find(name);
  assert.ok(device);
  const before = device.keys;
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  const ref = { namespace, name: `${name}-agent` };
  const { data } = await fixture.api.get(SECRET, ref);
  await fixture.api.patchObject(SECRET, ref, {
    metadata: { labels: { "arhat.dev/role": null } },
  });
  await until(async () => {
    const { metadata } = await fixture.api.get(SECRET, ref);
    return metadata.labels?.["arhat.dev/role"] === "EdgeDevice";
  }, "a label");
  assert.deepEqual((await fixture.api.get(SECRET, ref)).data, data);
  assert.deepEqual(device.keys, before);
  assert.equal(device.link.isUp, true);
  agent.links.cut();
  await agent.ended;
});

Deno.test("DeviceRegistry replaces the device of an EdgeDevice that was deleted and created again", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  const before = devices.find(fixture.ref.name);
  await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { finalizers: null },
  });
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  // The registry may have added the finalizer again; it then removes the device itself.
  await until(
    async () => await fixture.api.find(EDGE_DEVICE, fixture.ref) === undefined,
    "no EdgeDevice",
  );
  await applyDevice(fixture);
  await until(
    () => ![undefined, before].includes(devices.find(fixture.ref.name)),
    "another device",
  );
  assert.equal(devices.size, 1);
});

/** Creates a Node and its Lease as an operator of this namespace does. */
async function putNodeAndLease(
  fixture: DeviceFixture,
  { name, providerID }: { name: string; providerID: string },
): Promise<void> {
  const labels = {
    "arhat.dev/role": "EdgeDevice",
    "arhat.dev/name": name,
    "arhat.dev/namespace": fixture.ref.namespace,
  };
  const node = await fixture.api.putObject(NODE, {
    metadata: { name, labels },
    spec: { providerID },
  });
  await fixture.api.putObject(LEASE, {
    metadata: { namespace: "kube-node-lease", name, labels },
  });
  await until(
    () =>
      fixture.stores.devices.nodes.get(name)?.metadata.uid ===
        node.metadata.uid,
    "the Node in its store",
  );
}

Deno.test("DeviceRegistry removes Nodes and Leases without an EdgeDevice when it starts, and no foreign ones", async () => {
  await using fixture = await DeviceFixture.start();
  const { namespace, name } = fixture.ref;
  const orphan = `${name}-orphan`;
  const foreign = `${name}-foreign`;
  await putNodeAndLease(fixture, {
    name: orphan,
    providerID: `aranya://${namespace}/${orphan}`,
  });
  await putNodeAndLease(fixture, {
    name: foreign,
    providerID: `aranya://other/${foreign}`,
  });
  await applyDevice(fixture);
  await fixture.waitForInformers();
  await using _devices = openRegistry(fixture);
  await until(
    async () =>
      !(await fixture.api.listKeys(LEASE)).includes(
        `kube-node-lease/${orphan}`,
      ),
    "no Lease of the orphan",
  );
  await untilReconciled(fixture);
  assert.deepEqual(await fixture.api.listKeys(NODE), [name, foreign]);
  assert.deepEqual(await fixture.api.listKeys(LEASE), [
    `kube-node-lease/${name}`,
    `kube-node-lease/${foreign}`,
  ]);
});

Deno.test("DeviceRegistry removes the Node of an EdgeDevice whose finalizer was removed by hand", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  await applyDevice(fixture);
  await untilReconciled(fixture);
  await fixture.waitForInformers();
  // The operator can neither add the finalizer again nor tear down meanwhile.
  for (const what of ["patch edgedevices", "find nodes"]) {
    fixture.api.failures.set(
      what,
      new AranyaError("unavailable", "Cannot reach the API server: away"),
    );
  }
  await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
    metadata: { finalizers: null },
  });
  await fixture.api.deleteObject(EDGE_DEVICE, fixture.ref);
  await until(() => devices.size === 0, "no device");
  fixture.api.failures.clear();
  for (const type of [NODE, LEASE]) {
    await until(
      async () => (await fixture.api.listKeys(type)).length === 0,
      type.kind,
    );
  }
});

Deno.test("DeviceRegistry follows the Secret with the CA of the endpoint", async () => {
  await using fixture = await DeviceFixture.start();
  await using devices = openRegistry(fixture);
  const { namespace, name } = fixture.ref;
  const endpoint = { namespace, name: "endpoint" };
  const putCa = (ca: string) =>
    fixture.api.putObject(SECRET, {
      metadata: endpoint,
      data: { "ca.crt": btoa(ca) },
    });
  await putCa("first");
  await fixture.api.putObject(EDGE_DEVICE, {
    metadata: fixture.ref,
    spec: {
      connectivity: {
        method: "grpc",
        grpcConfig: {
          endpoint: "edge.example.org:443",
          tlsSecretRef: { name: "endpoint" },
        },
      },
    },
  });
  for (const ca of ["first", "second"]) {
    if (ca !== "first") {
      // Nothing else causes a sync then.
      await until(() => !devices.isBusy, "an idle registry");
      await putCa(ca);
    }
    await until(async () => {
      const { data } = await fixture.api.get(SECRET, {
        namespace,
        name: `${name}-agent`,
      });
      return data?.["ca.crt"] === btoa(ca);
    }, { what: `the ${ca} CA`, timeoutMs: 10_000 });
  }
});

Deno.test("endLinksWhenOffline() closes links after offlineAfter, unless it is cancelled", async () => {
  await using fixture = await DeviceFixture.start();
  const context = {
    ...fixture.context,
    settings: {
      ...fixture.context.settings,
      of: () => ({ ...SETTINGS, offlineAfterMs: 500 }),
    },
  };
  await using devices = new DeviceRegistry({
    context,
    heartbeats: { start() {}, stop() {} },
  });
  await applyDevice(fixture);
  await untilReconciled(fixture);
  const device = devices.find(fixture.ref.name);
  assert.ok(device);
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "the link");
  devices.endLinksWhenOffline("first");
  devices.cancelLinkEnd();
  const startMs = performance.now();
  devices.endLinksWhenOffline("the operator can't reach the API server");
  await agent.ended;
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 499, `ended after ${tookMs} ms`);
  const { reason } = await agent.links.agent.closed;
  assert.match(reason, /can't reach the API server/);
});

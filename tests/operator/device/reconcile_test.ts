// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  EDGE_DEVICE,
  type EdgeDevice,
  ENDPOINT_SLICE,
  keyOf,
  type KubeEvent,
  LEASE,
  NODE,
  type Node,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import {
  encodeMessage,
  FactsSchema,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import { DeviceFixture, type FakeAgent } from "../_support/device_fixture.ts";
import { until } from "../../../dev/base/wait.ts";

const signal = new AbortController().signal;

/** With a connectivity method that is not supported. */
const MQTT_SPEC: EdgeDevice["spec"] = {
  connectivity: {
    method: "mqtt",
    mqttConfig: {
      server: "broker.example.org:8883",
      messageNamespace: "edge",
    },
  },
};
/** The API server stores quantities in one form: 4 rather than 4000m, 1Gi rather than 1048576Ki. */
const FACTS = {
  os: "linux",
  arch: "amd64",
  osImage: "Debian",
  kernelVersion: "6.1",
  runtimeVersion: "docker://28.2.2",
  machineId: "m",
  bootId: "b",
  cpuMillis: 4000,
  memoryBytes: 1_073_741_824n,
  storageBytes: 1_500_000_000n,
  addresses: ["eth0", "fe80::1%eth0", "192.0.2.9", "fd00::9"],
  conditions: [
    { type: "MemoryPressure", status: false, reason: "Enough" },
    { type: "DiskPressure", status: true, reason: "Full" },
    { type: "RuntimeReady", status: true, reason: "Up" },
  ],
};

async function edgeOf(fixture: DeviceFixture): Promise<EdgeDevice> {
  return await fixture.api.get(EDGE_DEVICE, fixture.ref);
}

async function conditionOf(fixture: DeviceFixture, type: string) {
  return (await edgeOf(fixture)).status?.conditions?.find((one) =>
    one.type === type
  );
}

Deno.test("reconcile() creates all objects with nine writes", async () => {
  await using fixture = await DeviceFixture.start();
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "patch edgedevices": 1,
    "create nodes": 1,
    "create leases": 1,
    "create secrets": 1,
    "create services": 1,
    "create endpointslices": 1,
    "create pods": 1,
    "patch pods/status": 1,
    "patch edgedevices/status": 1,
  });
  const { namespace, name } = fixture.ref;
  for (
    const [type, key] of [
      [NODE, name],
      [LEASE, `kube-node-lease/${name}`],
      [SECRET, `${namespace}/${name}-agent`],
    ] as const
  ) assert.deepEqual(await fixture.api.listKeys(type), [key]);
  assert.equal((await conditionOf(fixture, "Ready"))?.reason, "NeverConnected");
});

Deno.test("reconcile() writes nothing when nothing changed, before and after the informers have caught up, nor in the next process", async () => {
  await using fixture = await DeviceFixture.start();
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  fixture.api.takeWriteCounts();
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  await reconciler.reconcile(signal);
  const next = fixture.openDevice(await edgeOf(fixture));
  await next.reconciler.reconcile(signal);
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
});

Deno.test("reconcile() creates deleted objects again", async () => {
  await using fixture = await DeviceFixture.start();
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  const { ref } = fixture;
  await fixture.api.deleteObject(NODE, { name: ref.name });
  await fixture.api.deleteObject(SERVICE, ref);
  await fixture.api.deleteObject(ENDPOINT_SLICE, ref);
  await fixture.waitForInformers();
  for (const type of [NODE, SERVICE, ENDPOINT_SLICE]) {
    reconciler.forgetWrite(type.kind);
  }
  fixture.api.takeWriteCounts();
  await reconciler.reconcile(signal);
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "create nodes": 1,
    // Its owner is the new Node now.
    "patch leases": 1,
    "create services": 1,
    "create endpointslices": 1,
  });
});

Deno.test("reconcile() leaves a foreign Node of the name alone and creates nothing else", async () => {
  await using fixture = await DeviceFixture.start();
  const { name } = fixture.ref;
  const foreign = await fixture.api.putObject(NODE, { metadata: { name } });
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  assert.deepEqual(await fixture.api.get(NODE, { name }), foreign);
  assert.deepEqual(await fixture.api.listKeys(POD), []);
  assert.equal(
    (await conditionOf(fixture, "NameConflict"))?.reason,
    "NodeExists",
  );
  assert.equal((await conditionOf(fixture, "Ready"))?.status, "False");
});

Deno.test("reconcile() controls pods only while the Node is the device's own", async () => {
  await using fixture = await DeviceFixture.start();
  const { api, context: { kube }, ref: { name } } = fixture;
  await api.putObject(NODE, { metadata: { name } });
  // Its namespace is not served, so that the controller of a device's own Node records an Event.
  const namespace = `${fixture.ref.namespace}-b`;
  await api.createNamespace(namespace);
  await api.putObject(POD, {
    metadata: { namespace, name: "stray" },
    spec: { nodeName: name, containers: [{ name: "app", image: "i" }] },
  });
  await until(() => kube.sources.listPods(name).length === 1, "the pod");
  const { device, reconciler } = await fixture.createDevice();
  const countEvents = async () => {
    await kube.events.flush();
    return api.writes.filter(({ what, body }) =>
      what === "create events" &&
      (body as KubeEvent).reason === "NamespaceNotServed"
    ).length;
  };
  await reconciler.reconcile(signal);
  assert.equal(await countEvents(), 0);
  assert.equal(device.ownsNode, false);
  await api.deleteObject(NODE, { name });
  await reconciler.reconcile(signal);
  assert.equal(device.ownsNode, true);
  await until(async () => await countEvents() === 1, "an Event");
  await api.deleteObject(NODE, { name });
  device.onNodeDeleted();
  assert.equal(device.ownsNode, false);
  await api.putObject(NODE, { metadata: { name } });
  await fixture.waitForInformers();
  reconciler.forgetWrite(NODE.kind);
  await reconciler.reconcile(signal);
  assert.equal(device.ownsNode, false);
  // The former Node's virtual pod must not be run by the machine that has the name now.
  assert.equal(await api.find(POD, fixture.ref), undefined);
});

Deno.test("reconcile() leaves a foreign Service alone and creates everything else", async () => {
  await using fixture = await DeviceFixture.start();
  const metadata = fixture.ref;
  const foreign = await fixture.api.putObject(SERVICE, {
    metadata,
    spec: { ports: [{ port: 80 }] },
  });
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  assert.deepEqual(await fixture.api.get(SERVICE, metadata), foreign);
  assert.deepEqual(await fixture.api.listKeys(POD), [
    keyOf({ metadata }),
  ]);
  assert.equal(
    (await conditionOf(fixture, "NameConflict"))?.reason,
    "ServiceExists",
  );
});

Deno.test("reconcile() reports two taken names in one condition", async () => {
  await using fixture = await DeviceFixture.start();
  const { namespace, name } = fixture.ref;
  await fixture.api.putObject(SERVICE, {
    metadata: fixture.ref,
    spec: { ports: [{ port: 80 }] },
  });
  await fixture.api.putObject(SECRET, {
    metadata: { namespace, name: `${name}-agent` },
  });
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const { reason, message } = await conditionOf(fixture, "NameConflict") ?? {};
  assert.equal(reason, "SecretExists");
  assert.equal(
    message,
    `Cannot create Secret "${namespace}/${name}-agent": an object of this name exists that was not created for this EdgeDevice; ` +
      `Cannot create Service "${namespace}/${name}": an object of this name exists that was not created for this EdgeDevice`,
  );
  fixture.api.takeWriteCounts();
  await reconciler.reconcile(signal);
  assert.equal(
    fixture.api.takeWriteCounts()["patch edgedevices/status"],
    undefined,
  );
});

Deno.test("reconcile() throws a refusal, and shows it in the status", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  const refusal = new AranyaError("forbidden", "Cannot create services: no");
  fixture.api.failures.set("create services", refusal);
  await assert.rejects(reconciler.reconcile(signal), refusal);
  assert.equal((await conditionOf(fixture, "Connected"))?.status, "True");
  const ready = await conditionOf(fixture, "Ready");
  assert.equal(ready?.reason, "Forbidden");
  assert.equal(ready?.message, refusal.message);
});

Deno.test("reconcile() changes Ready for an error that may pass only when it lasts", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await reconciler.reconcile(signal);
  assert.equal((await conditionOf(fixture, "Ready"))?.status, "True");
  await fixture.waitForInformers();
  await fixture.api.deleteObject(SERVICE, fixture.ref);
  await fixture.waitForInformers();
  reconciler.forgetWrite(SERVICE.kind);
  const conflict = new AranyaError("conflict", "Cannot create services: busy");
  fixture.api.failures.set("create services", conflict);
  for (const status of ["True", "True", "False", "False"]) {
    await assert.rejects(reconciler.reconcile(signal), conflict);
    assert.equal((await conditionOf(fixture, "Ready"))?.status, status);
  }
  fixture.api.failures.clear();
  await reconciler.reconcile(signal);
  assert.equal((await conditionOf(fixture, "Ready"))?.status, "True");
});

Deno.test("reconcile() throws the error of an object, and not that of the status behind it", async () => {
  await using fixture = await DeviceFixture.start();
  const { reconciler } = await fixture.createDevice();
  const first = new AranyaError("unavailable", "Cannot create services: away");
  fixture.api.failures.set("create services", first);
  fixture.api.failures.set(
    "patch edgedevices/status",
    new AranyaError("unavailable", "Cannot patch edgedevices/status: away"),
  );
  await assert.rejects(reconciler.reconcile(signal), first);
});

Deno.test("reconcile() reports that no pod range is free, and serves the device's host", async () => {
  await using fixture = await DeviceFixture.start();
  fixture.addresses.setForeignRange("node x", "100.64.0.0/10");
  const { reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  assert.equal(
    (await conditionOf(fixture, "AddressConflict"))?.reason,
    "PoolExhausted",
  );
  assert.equal((await conditionOf(fixture, "Ready"))?.reason, "PoolExhausted");
  assert.equal((await fixture.api.listKeys(POD)).length, 1);
  fixture.addresses.setForeignRange("node x", undefined);
  await reconciler.reconcile(signal);
  assert.equal(await conditionOf(fixture, "AddressConflict"), undefined);
  assert.match((await edgeOf(fixture)).status?.podCIDR ?? "", /^100\./);
});

Deno.test("reconcile() writes two statuses and their Events when the link comes up", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  fixture.api.takeWriteCounts();
  const agent: FakeAgent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await reconciler.reconcile(signal);
  await fixture.context.kube.events.flush();
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "patch pods/status": 1,
    "patch edgedevices/status": 1,
    "create events": 2,
  });
  assert.equal((await conditionOf(fixture, "Ready"))?.status, "True");
  agent.links.cut();
  await agent.ended;
  await reconciler.reconcile(signal);
  assert.equal((await conditionOf(fixture, "Connected"))?.reason, "LinkLost");
});

Deno.test("reconcile() writes reported quantities once, in the form that the API server stores", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice({
    spec: {
      node: {
        labels: { zone: "a" },
        taints: [{ key: "metered", effect: "NoSchedule" }],
      },
      pod: { allocatable: 7 },
    },
  });
  const agent = await fixture.connectAgent(device);
  await agent.session.request(
    Method.REPORT_FACTS,
    encodeMessage(FactsSchema, FACTS),
    { timeoutMs: 30_000 },
  );
  await reconciler.reconcile(signal);
  const { name } = fixture.ref;
  const { status } = await fixture.api.get(NODE, { name });
  assert.equal(status?.capacity?.memory, "1Gi");
  fixture.api.takeWriteCounts();
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  device.observeEdge(await edgeOf(fixture));
  await reconciler.reconcile(signal);
  assert.deepEqual(fixture.api.takeWriteCounts(), {});
});

Deno.test("reconcile() writes nothing but a condition for an unsupported connectivity method", async () => {
  await using fixture = await DeviceFixture.start();
  const { reconciler } = await fixture.createDevice({
    spec: MQTT_SPEC,
  });
  await reconciler.reconcile(signal);
  await fixture.context.kube.events.flush();
  assert.deepEqual(fixture.api.takeWriteCounts(), {
    "patch edgedevices/status": 1,
    "create events": 1,
  });
  assert.equal((await conditionOf(fixture, "NotSupported"))?.status, "True");
});

Deno.test("reconcile() closes the link when the connectivity method is changed to an unsupported one, and keeps the objects", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const agent = await fixture.connectAgent(device);
  await until(() => device.link.isUp, "a link");
  await reconciler.reconcile(signal);
  await fixture.waitForInformers();
  const { name } = fixture.ref;
  const node = await fixture.api.get(NODE, { name });
  device.observeEdge(
    await fixture.api.patchObject(EDGE_DEVICE, fixture.ref, {
      spec: MQTT_SPEC,
    }),
  );
  await reconciler.reconcile(signal);
  await until(() => !device.link.isUp, "no link");
  await agent.ended;
  await reconciler.reconcile(signal);
  assert.equal((await conditionOf(fixture, "Ready"))?.reason, "NotSupported");
  const connected = await conditionOf(fixture, "Connected");
  assert.equal(connected?.status, "False");
  assert.match(connected?.message ?? "", /mqtt is not supported/);
  assert.equal(
    (await fixture.api.get(NODE, { name })).metadata.uid,
    node.metadata.uid,
  );
  const pod = await fixture.api.get(POD, fixture.ref);
  assert.equal(
    pod.status?.conditions?.find(({ type }) => type === "Ready")?.status,
    "False",
  );
});

Deno.test("reconcile() clears NetworkUnavailable with growing delays when another client keeps setting it", async () => {
  await using fixture = await DeviceFixture.start();
  const { device, reconciler } = await fixture.createDevice();
  await reconciler.reconcile(signal);
  const agent = await fixture.connectAgent(device);
  await agent.session.request(
    Method.REPORT_FACTS,
    encodeMessage(FactsSchema, FACTS),
    { timeoutMs: 30_000 },
  );
  await reconciler.reconcile(signal);
  const { name } = fixture.ref;
  const setCondition = async (status: "True" | "False", reason: string) => {
    const condition = { type: "NetworkUnavailable", status, reason };
    await fixture.api.patch(NODE, { name }, {
      body: { status: { conditions: [condition] } },
      kind: "strategic",
      subresource: "status",
    });
    await fixture.waitForInformers();
    fixture.api.takeWriteCounts();
    fixture.enqueued.length = 0;
    await reconciler.reconcile(signal);
    const node = await fixture.api.get<Node>(NODE, { name });
    return {
      status: node.status?.conditions?.find(({ type }) =>
        type === "NetworkUnavailable"
      )?.status,
      isQueued: fixture.enqueued.includes(name),
    };
  };
  const cleared = { status: "False", isQueued: false };
  const kept = { status: "True", isQueued: true };
  assert.deepEqual(await setCondition("True", "NoRouteCreated"), cleared);
  assert.deepEqual(await setCondition("True", "NoRouteCreated"), kept);
  fixture.clock.advance(10_000);
  assert.deepEqual(await setCondition("True", "NoRouteCreated"), cleared);
  fixture.clock.advance(10_000);
  assert.deepEqual(await setCondition("True", "NoRouteCreated"), kept);
  fixture.clock.advance(10_000);
  assert.deepEqual(await setCondition("True", "NoRouteCreated"), cleared);
  // The network is available for another client too, so that its words stay.
  assert.deepEqual(await setCondition("False", "RouteCreated"), cleared);
  assert.equal(fixture.api.takeWriteCounts()["patch nodes/status"], undefined);
  // A device without such a client for long is corrected at once again.
  fixture.clock.advance(3_600_000);
  assert.deepEqual(await setCondition("True", "NoRouteCreated"), cleared);
});

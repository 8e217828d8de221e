// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  EDGE_DEVICE,
  type EdgeDevice,
  ENDPOINT_SLICE,
  keyOf,
  LEASE,
  NODE,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import {
  create,
  FactsSchema,
  Method,
  toBinary,
} from "../../../lib/shared/wire/mod.ts";
import { type Agent, Stage, until } from "./_support/stage.ts";

const signal = new AbortController().signal;
/** Of quantities the API server keeps one form only: 4 and not 4000m, 1Gi and not 1048576Ki. */
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

async function edgeOf(stage: Stage): Promise<EdgeDevice> {
  return await stage.api.get(EDGE_DEVICE, stage.home);
}

async function conditionOf(stage: Stage, type: string) {
  return (await edgeOf(stage)).status?.conditions?.find((one) =>
    one.type === type
  );
}

Deno.test("reconcile() makes the full set of objects with nine writes", async () => {
  await using stage = await Stage.start();
  const { objects } = await stage.add();
  await objects.reconcile(signal);
  assert.deepEqual(stage.api.countWrites(), {
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
  const { namespace, name } = stage.home;
  for (
    const [type, key] of [
      [NODE, name],
      [LEASE, `kube-node-lease/${name}`],
      [SECRET, `${namespace}/${name}-agent`],
    ] as const
  ) assert.deepEqual(await stage.api.names(type), [key]);
  assert.equal((await conditionOf(stage, "Ready"))?.reason, "NeverConnected");
});

Deno.test("reconcile() writes nothing for what is right, before and after the watches tell, nor in the next process", async () => {
  await using stage = await Stage.start();
  const { objects } = await stage.add();
  await objects.reconcile(signal);
  stage.api.countWrites();
  await objects.reconcile(signal);
  await stage.settle();
  await objects.reconcile(signal);
  const next = stage.revive(await edgeOf(stage));
  await next.objects.reconcile(signal);
  assert.deepEqual(stage.api.countWrites(), {});
});

Deno.test("reconcile() brings back what somebody deleted", async () => {
  await using stage = await Stage.start();
  const { objects } = await stage.add();
  await objects.reconcile(signal);
  await stage.settle();
  const { home } = stage;
  await stage.api.take(NODE, { name: home.name });
  await stage.api.take(SERVICE, home);
  await stage.api.take(ENDPOINT_SLICE, home);
  await stage.settle();
  for (const type of [NODE, SERVICE, ENDPOINT_SLICE]) objects.forget(type.kind);
  stage.api.countWrites();
  await objects.reconcile(signal);
  assert.deepEqual(stage.api.countWrites(), {
    "create nodes": 1,
    // Its owner is the new Node now.
    "patch leases": 1,
    "create services": 1,
    "create endpointslices": 1,
  });
});

Deno.test("reconcile() never touches a foreign Node of the name, and makes nothing else then", async () => {
  await using stage = await Stage.start();
  const { name } = stage.home;
  const foreign = await stage.api.put(NODE, { metadata: { name } });
  const { objects } = await stage.add();
  await objects.reconcile(signal);
  assert.deepEqual(await stage.api.get(NODE, { name }), foreign);
  assert.deepEqual(await stage.api.names(POD), []);
  assert.equal(
    (await conditionOf(stage, "NameConflict"))?.reason,
    "NodeExists",
  );
  assert.equal((await conditionOf(stage, "Ready"))?.status, "False");
});

Deno.test("reconcile() leaves a foreign Service alone and serves the rest", async () => {
  await using stage = await Stage.start();
  const metadata = stage.home;
  const foreign = await stage.api.put(SERVICE, {
    metadata,
    spec: { ports: [{ port: 80 }] },
  });
  const { objects } = await stage.add();
  await objects.reconcile(signal);
  assert.deepEqual(await stage.api.get(SERVICE, metadata), foreign);
  assert.deepEqual(await stage.api.names(POD), [
    keyOf({ metadata }),
  ]);
  assert.equal(
    (await conditionOf(stage, "NameConflict"))?.reason,
    "ServiceExists",
  );
});

Deno.test("reconcile() shows what kept it from being complete, and throws it", async () => {
  await using stage = await Stage.start();
  const { objects } = await stage.add();
  const refusal = new AranyaError("forbidden", "Cannot create services: no");
  stage.api.failures.set("create services", refusal);
  await assert.rejects(objects.reconcile(signal), refusal);
  const ready = await conditionOf(stage, "Ready");
  assert.equal(ready?.reason, "Forbidden");
  assert.equal(ready?.message, refusal.message);
});

Deno.test("reconcile() follows the link with few writes", async () => {
  await using stage = await Stage.start();
  const { device, objects } = await stage.add();
  await objects.reconcile(signal);
  stage.api.countWrites();
  const agent: Agent = await stage.connect(device);
  await until(() => device.link.up, "a link");
  await objects.reconcile(signal);
  assert.deepEqual(stage.api.countWrites(), {
    "patch pods/status": 1,
    "patch edgedevices/status": 1,
  });
  assert.equal((await conditionOf(stage, "Ready"))?.status, "True");
  agent.links.cut();
  await agent.ended;
  await objects.reconcile(signal);
  assert.equal((await conditionOf(stage, "Connected"))?.reason, "LinkLost");
});

Deno.test("reconcile() writes what the device measured once, in whatever form the API server keeps it", async () => {
  await using stage = await Stage.start();
  const { device, objects } = await stage.add({
    spec: {
      node: {
        labels: { zone: "a" },
        taints: [{ key: "metered", effect: "NoSchedule" }],
      },
      pod: { allocatable: 7 },
    },
  });
  const agent = await stage.connect(device);
  await agent.session.request(
    Method.REPORT_FACTS,
    toBinary(FactsSchema, create(FactsSchema, FACTS)),
    { timeoutMs: 2000 },
  );
  await objects.reconcile(signal);
  const { name } = stage.home;
  const { status } = await stage.api.get(NODE, { name });
  assert.equal(status?.capacity?.memory, "1Gi");
  stage.api.countWrites();
  await objects.reconcile(signal);
  await stage.settle();
  device.edge = await edgeOf(stage);
  await objects.reconcile(signal);
  assert.deepEqual(stage.api.countWrites(), {});
});

Deno.test("reconcile() answers a method that is not built with a condition, and nothing else", async () => {
  await using stage = await Stage.start();
  const { objects } = await stage.add({
    spec: {
      connectivity: {
        method: "mqtt",
        mqttConfig: {
          server: "broker.example.org:8883",
          messageNamespace: "edge",
        },
      },
    },
  });
  await objects.reconcile(signal);
  assert.deepEqual(stage.api.countWrites(), { "patch edgedevices/status": 1 });
  assert.equal((await conditionOf(stage, "NotSupported"))?.status, "True");
});

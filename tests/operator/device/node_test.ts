// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice, Node } from "../../../lib/operator/kube/mod.ts";
import {
  isOurNode,
  type NodeInput,
  toMetadataPatch,
  toNode,
  toNodeStatus,
  toNodeStatusPatch,
} from "../../../lib/operator/device/node.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

function edge(spec: EdgeDevice["spec"] = {}): EdgeDevice {
  return { metadata: { name: "edge-1", namespace: "home", uid: "u1" }, spec };
}

function input(rest: Partial<NodeInput> = {}): NodeInput {
  return {
    edge: edge(),
    addresses: ["10.0.0.7"],
    kubeletPort: 20_001,
    kubeletVersion: "v1.34.0",
    podCidr: "100.64.0.0/26",
    nowMs: NOW_MS,
    ...rest,
  };
}

/** Returns the Node as the API server stores it. */
function stored(node: Node): Node {
  return {
    ...structuredClone(node),
    metadata: { ...node.metadata, uid: "n1", resourceVersion: "7" },
  };
}

const FACTS = {
  os: "linux",
  arch: "arm64",
  cpu: "4",
  memory: "1024Ki",
  storage: "2048Ki",
  runtimeVersion: "docker://28.2.2",
};
const HEALTHY = [
  { type: "MemoryPressure", status: false, reason: "Enough", message: "" },
  { type: "RuntimeReady", status: true, reason: "Up", message: "" },
];

Deno.test("toNode() returns a complete Node for a device that never connected", () => {
  const node = toNode(input());
  assert.equal(node.spec?.providerID, "aranya://home/edge-1");
  assert.equal(node.metadata.labels?.["arhat.dev/role"], "EdgeDevice");
  assert.equal(node.metadata.labels?.["kubernetes.io/hostname"], "edge-1");
  assert.deepEqual(node.spec?.taints, [{
    key: "arhat.dev/namespace",
    value: "home",
    effect: "NoSchedule",
  }]);
  assert.equal(node.status?.daemonEndpoints?.kubeletEndpoint?.Port, 20_001);
  assert.deepEqual(node.status?.capacity, { pods: "11" });
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  assert.equal(ready?.status, "Unknown");
  assert.equal(ready?.reason, "DeviceNeverConnected");
});

Deno.test("toMetadataPatch() and toNodeStatusPatch() return undefined for the result of toNode()", () => {
  const desired = input({ facts: FACTS, measured: HEALTHY });
  const node = stored(toNode(desired));
  assert.equal(toMetadataPatch(desired, node), undefined);
  assert.equal(
    toNodeStatusPatch({ ...desired, nowMs: NOW_MS + 60_000 }, node),
    undefined,
  );
});

Deno.test("toMetadataPatch() keeps foreign labels and taints, and removes what the EdgeDevice no longer adds", () => {
  const before = input({
    edge: edge({
      node: {
        labels: { zone: "a", rack: "1" },
        taints: [{ key: "metered", effect: "NoSchedule" }],
      },
    }),
  });
  const node = stored(toNode(before));
  node.metadata.labels = { ...node.metadata.labels, theirs: "x" };
  const foreign = { key: "theirs", effect: "NoExecute" as const };
  node.spec = { ...node.spec, taints: [...node.spec?.taints ?? [], foreign] };
  const patch = toMetadataPatch(
    input({ edge: edge({ node: { labels: { zone: "b" } } }) }),
    node,
  ) as { metadata: Record<string, unknown>; spec: { taints: unknown[] } };
  assert.deepEqual(patch.metadata.labels, { zone: "b", rack: null });
  assert.equal(patch.metadata.resourceVersion, "7");
  assert.deepEqual(patch.spec.taints, [foreign, {
    key: "arhat.dev/namespace",
    value: "home",
    effect: "NoSchedule",
  }]);
});

Deno.test("toNodeStatusPatch() sets Ready and its transition time when the device reports its conditions", () => {
  const node = stored(toNode(input()));
  const patch = toNodeStatusPatch(
    input({ facts: FACTS, measured: HEALTHY }),
    node,
  );
  const conditions = patch?.status.conditions as Record<string, string>[];
  const ready = conditions.find(({ type }) => type === "Ready");
  assert.equal(ready?.status, "True");
  assert.equal(ready?.lastTransitionTime, "2026-01-02T03:04:05Z");
  assert.deepEqual(patch?.status.capacity, {
    cpu: "4",
    memory: "1024Ki",
    "ephemeral-storage": "2048Ki",
    pods: "11",
  });
});

Deno.test("toNodeStatusPatch() leaves conditions alone while the link is down", () => {
  const node = stored(toNode(input({ facts: FACTS, measured: HEALTHY })));
  assert.equal(toNodeStatusPatch(input({ facts: FACTS }), node), undefined);
});

Deno.test("toNodeStatusPatch() sets Ready again after the node lifecycle controller cleared it", () => {
  const desired = input({ facts: FACTS, measured: HEALTHY });
  const node = stored(toNode(desired));
  for (const condition of node.status?.conditions ?? []) {
    condition.status = "Unknown";
    condition.reason = "NodeStatusUnknown";
  }
  const conditions = toNodeStatusPatch(desired, node)?.status.conditions as {
    type: string;
    status: string;
  }[];
  assert.equal(conditions.find(({ type }) => type === "Ready")?.status, "True");
});

Deno.test("toNode() has a role for kubectl get nodes", () => {
  assert.equal(
    toNode(input()).metadata.labels?.["node-role.kubernetes.io/edge-device"],
    "",
  );
});

for (
  const { title, given } of [
    { title: "a device that never connected", given: input() },
    {
      title: "a connected device",
      given: input({ facts: FACTS, measured: HEALTHY }),
    },
  ]
) {
  Deno.test(`toNode() clears NetworkUnavailable for ${title}`, () => {
    const found = toNode(given).status?.conditions?.find(({ type }) =>
      type === "NetworkUnavailable"
    );
    assert.equal(found?.status, "False");
    assert.equal(found?.reason, "DeviceNetwork");
  });
}

Deno.test("toNodeStatusPatch() clears NetworkUnavailable again, which a route controller set", () => {
  const desired = input({ facts: FACTS, measured: HEALTHY });
  const node = stored(toNode(desired));
  for (const condition of node.status?.conditions ?? []) {
    if (condition.type === "NetworkUnavailable") condition.status = "True";
  }
  const conditions = toNodeStatusPatch(desired, node)?.status.conditions as {
    type: string;
    status: string;
  }[];
  assert.equal(
    conditions.find(({ type }) => type === "NetworkUnavailable")?.status,
    "False",
  );
});

Deno.test("toNodeStatusPatch() replaces the whole list of addresses", () => {
  const node = stored(toNode(input()));
  assert.deepEqual(
    toNodeStatusPatch(input({ addresses: ["10.0.0.8"] }), node)?.status
      .addresses,
    [{ type: "InternalIP", address: "10.0.0.8" }, { "$patch": "replace" }],
  );
});

Deno.test("toNodeStatusPatch() clears Ready when the container engine is down", () => {
  const measured = [{
    type: "RuntimeReady",
    status: false,
    reason: "EngineDown",
    message: "no answer on the socket",
  }];
  const node = stored(toNode(input({ facts: FACTS, measured: HEALTHY })));
  const conditions = toNodeStatusPatch(input({ facts: FACTS, measured }), node)
    ?.status.conditions as Record<string, string>[];
  const ready = conditions.find(({ type }) => type === "Ready");
  assert.equal(ready?.status, "False");
  assert.equal(ready?.message, "no answer on the socket");
});

Deno.test("toNodeStatus() has room for the virtual pod alone on a device without a container engine", () => {
  const facts = { ...FACTS, runtimeVersion: "" };
  assert.equal(toNodeStatus(input({ facts })).allocatable?.pods, "1");
});

Deno.test("isOurNode() compares the providerID, not the name", () => {
  const foreign: Node = { metadata: { name: "edge-1" } };
  assert.equal(isOurNode(edge(), foreign), false);
  assert.equal(isOurNode(edge(), toNode(input())), true);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { EdgeDevice, Pod } from "../../../lib/operator/kube/mod.ts";
import {
  needsReplacement,
  toVirtualPod,
  toVirtualPodPatch,
} from "../../../lib/operator/device/virtual_pod.ts";

const EDGE: EdgeDevice = {
  metadata: { name: "edge-1", namespace: "home", uid: "u1" },
};
const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const UP = { connected: true, reason: "", message: "", nowMs: NOW_MS };
const DOWN = {
  connected: false,
  reason: "LinkLost",
  message: "lost",
  nowMs: NOW_MS,
};

function withStatus(
  pod: Pod,
  patch: ReturnType<typeof toVirtualPodPatch>,
): Pod {
  return {
    ...pod,
    status: structuredClone(patch?.status ?? {}) as Pod["status"] & object,
  };
}

Deno.test("toVirtualPod() returns a pod that is never evicted and is deleted without the device", () => {
  const { metadata, spec } = toVirtualPod(EDGE);
  assert.equal(metadata.ownerReferences?.[0]?.controller, true);
  assert.equal(metadata.annotations, undefined);
  assert.deepEqual(spec?.tolerations, [{ operator: "Exists" }]);
  assert.equal(spec?.terminationGracePeriodSeconds, 0);
  assert.equal(spec?.hostNetwork, true);
  assert.equal(spec?.containers[0]?.resources, undefined);
});

Deno.test("toVirtualPodPatch() is Running always, and Ready while the link is up", () => {
  const pod = toVirtualPod(EDGE);
  for (const input of [UP, DOWN]) {
    const patch = toVirtualPodPatch(pod, input);
    assert.equal(patch?.status.phase, "Running");
    const conditions = patch?.status.conditions as Record<string, string>[];
    assert.equal(
      conditions.find(({ type }) => type === "Ready")?.status,
      input.connected ? "True" : "False",
    );
  }
});

Deno.test("toVirtualPodPatch() returns undefined for its own result, until addresses are reported", () => {
  const facts = { addresses: ["192.0.2.9", "fd00::9"] };
  const pod = toVirtualPod(EDGE);
  const done = withStatus(pod, toVirtualPodPatch(pod, { ...UP }));
  assert.equal(toVirtualPodPatch(done, UP), undefined);
  const reported = toVirtualPodPatch(done, { ...UP, facts });
  assert.equal(reported?.status.hostIP, "192.0.2.9");
  assert.deepEqual(reported?.status.podIPs, [
    { ip: "192.0.2.9" },
    { ip: "fd00::9" },
    { "$patch": "replace" },
  ]);
});

Deno.test("toVirtualPodPatch() keeps start and transition times, and writes only changed conditions", () => {
  const pod = toVirtualPod(EDGE);
  const done = withStatus(pod, toVirtualPodPatch(pod, UP));
  const patch = toVirtualPodPatch(done, { ...DOWN, nowMs: NOW_MS + 60_000 });
  const conditions = patch?.status.conditions as Record<string, string>[];
  assert.deepEqual(conditions.map(({ type }) => type), [
    "ContainersReady",
    "Ready",
  ]);
  assert.equal(conditions[0]?.lastTransitionTime, "2026-01-02T03:05:05Z");
  assert.equal(patch?.status.startTime, undefined);
});

Deno.test("needsReplacement() is true for a pod that is being deleted, has terminated, is on another node or of a deleted EdgeDevice", () => {
  const device = { name: "edge-1", uid: "u1" };
  const pod = toVirtualPod(EDGE);
  assert.equal(needsReplacement(pod, device), false);
  assert.equal(needsReplacement(pod, { name: "edge-1", uid: "u2" }), true);
  assert.equal(needsReplacement(pod, { name: "edge-2", uid: "u1" }), true);
  assert.equal(
    needsReplacement({ ...pod, status: { phase: "Failed" } }, device),
    true,
  );
  const deleting = {
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp: "2026-01-02T00:00:00Z" },
  };
  assert.equal(needsReplacement(deleting, device), true);
});

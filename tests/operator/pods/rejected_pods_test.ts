// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import { RejectedPods } from "../../../lib/operator/pods/rejected_pods.ts";
import { TEST_NODE } from "./_support/pod_fixture.ts";

const SIGNAL = new AbortController().signal;

function makePod(namespace: string, name: string, isDeleted = false): Pod {
  return {
    metadata: {
      namespace,
      name,
      uid: `${namespace}/${name}`,
      ...(isDeleted ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [] },
  };
}

/** Opens them for a node of which only namespace "ns" is served. */
function open() {
  const warnings: string[] = [];
  const deleted: string[] = [];
  const enqueued: { podKey: string; afterMs: number | undefined }[] = [];
  const state: { failure?: AranyaError } = {};
  const pods = new RejectedPods({
    node: TEST_NODE,
    sources: { serves: (namespace) => namespace === "ns" },
    events: {
      warnOnce: (_pod, list) =>
        void warnings.push(
          ...list.map(({ reason, message }) => `${reason}: ${message}`),
        ),
    },
    deleteObject(pod) {
      if (state.failure) return Promise.reject(state.failure);
      deleted.push(pod.metadata.uid ?? "");
      return Promise.resolve();
    },
    enqueue: (podKey, options) =>
      void enqueued.push({ podKey, afterMs: options?.afterMs }),
  });
  return { pods, warnings, deleted, enqueued, state };
}

Deno.test("RejectedPods.includes() pods of other namespaces and of the virtual pod's name", () => {
  const { pods } = open();
  assert.equal(pods.includes(makePod("ns", "web")), false);
  assert.equal(pods.includes(makePod("other", "web")), true);
  assert.equal(pods.includes(makePod("ns", TEST_NODE.name)), true);
});

Deno.test("RejectedPods.sync() records why a pod stays Pending", async () => {
  const { pods, warnings, deleted } = open();
  await pods.sync(makePod("other", "web"), SIGNAL);
  await pods.sync(makePod("ns", "edge-1"), SIGNAL);
  assert.deepEqual(warnings, [
    'NamespaceNotServed: Cannot run pod "other/web": node "edge-1" runs no pods of namespace "other"',
    'NameConflict: Cannot run pod "ns/edge-1": device "edge-1" has a virtual pod of this name',
  ]);
  assert.deepEqual(deleted, []);
});

Deno.test("RejectedPods.sync() finishes the deletion of a pod, and tries again later when it may not", async () => {
  const { pods, warnings, deleted, enqueued, state } = open();
  const pod = makePod("other", "web", true);
  state.failure = new AranyaError("forbidden", "Cannot delete pods: no");
  await pods.sync(pod, SIGNAL);
  assert.deepEqual(warnings, ["FailedKillPod: Cannot delete pods: no"]);
  assert.deepEqual(enqueued, [{ podKey: "other/web", afterMs: 600_000 }]);
  state.failure = new AranyaError("unavailable", "Cannot delete pods: away");
  await assert.rejects(pods.sync(pod, SIGNAL), state.failure);
  delete state.failure;
  await pods.sync(pod, SIGNAL);
  assert.deepEqual(deleted, ["other/web"]);
});

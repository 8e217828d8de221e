// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { findContainer } from "../../../lib/operator/pods/pod_directory.ts";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import { create, PodStatusSchema } from "../../../lib/shared/wire/mod.ts";

const POD: Pod = {
  metadata: { namespace: "ns", name: "web", uid: "u" },
  spec: {
    initContainers: [{ name: "setup" }],
    containers: [{ name: "app" }, { name: "side" }],
  },
};

Deno.test("findContainer() returns the annotated container by default, else the first", () => {
  const find = (pod: Pod) => findContainer("", { pod, report: undefined });
  assert.equal(find(POD).container, "app");
  const annotations = { "kubectl.kubernetes.io/default-container": "side" };
  const annotated = { ...POD, metadata: { ...POD.metadata, annotations } };
  assert.equal(find(annotated).container, "side");
});

Deno.test("findContainer() finds init containers, and lists the names in its error", () => {
  const options = { pod: POD, report: undefined };
  assert.equal(findContainer("setup", options).container, "setup");
  assert.throws(() => findContainer("other", options), {
    code: "not_found",
    message:
      'Cannot find container "other" of pod "ns/web": it has "app", "side", "setup"',
  });
});

Deno.test("findContainer() prefers the device's report to the pod's status", () => {
  const pod: Pod = {
    ...POD,
    status: {
      containerStatuses: [{
        name: "app",
        state: { waiting: { reason: "ContainerCreating" } },
        ready: false,
        restartCount: 0,
        image: "",
        imageID: "",
      }],
    },
  };
  const report = create(PodStatusSchema, {
    containers: [{
      name: "app",
      state: { state: { case: "running", value: {} } },
      lastTerminated: { state: { case: "terminated", value: { exitCode: 1 } } },
    }],
  });
  const old = findContainer("app", { pod, report: undefined });
  assert.deepEqual(old.waiting, { reason: "ContainerCreating", message: "" });
  assert.equal(old.running, false);
  assert.deepEqual(findContainer("app", { pod, report }), {
    podUid: "u",
    container: "app",
    running: true,
    hasPrevious: true,
  });
});

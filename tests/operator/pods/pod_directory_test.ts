// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  findContainer,
  NodePods,
} from "../../../lib/operator/pods/pod_directory.ts";
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import { create, PodStatusSchema } from "../../../lib/shared/wire/mod.ts";
import { TEST_NODE } from "./_support/pod_fixture.ts";

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

/** A directory of node "edge-1" with the given pods in its sources; only "ns" is served. */
function openDirectory(...pods: Pod[]): NodePods {
  return new NodePods({
    node: TEST_NODE,
    sources: {
      listPods: (node) => node === TEST_NODE.name ? pods : [],
      serves: (namespace) => namespace === "ns",
      hasListedPods: (namespace) => namespace !== "late",
    },
    devicePods: { find: () => undefined },
  });
}

const OTHER_NAMESPACE: Pod = {
  metadata: { namespace: "other", name: "ds", uid: "o" },
  spec: { containers: [{ name: "app" }] },
};
const VIRTUAL: Pod = {
  metadata: { namespace: "ns", name: TEST_NODE.name, uid: "v" },
  spec: { containers: [{ name: "host" }] },
};

Deno.test("NodePods.list() returns pods of served namespaces except the virtual pod", () => {
  const running: Pod = {
    ...POD,
    metadata: { ...POD.metadata, name: "running", uid: "r" },
    status: { phase: "Running" },
  };
  const directory = openDirectory(POD, running, OTHER_NAMESPACE, VIRTUAL);
  const names = (options: { running: boolean }) =>
    directory.list(options).items.map(({ metadata }) => metadata.name);
  assert.deepEqual(names({ running: false }), ["web", "running"]);
  assert.deepEqual(names({ running: true }), ["running"]);
  const { kind, apiVersion } = directory.list({ running: true });
  assert.deepEqual([kind, apiVersion], ["PodList", "v1"]);
});

Deno.test("NodePods.nameOf() and findByUid() find pods by UID", () => {
  const directory = openDirectory(POD, OTHER_NAMESPACE);
  assert.deepEqual(directory.nameOf("u"), { namespace: "ns", name: "web" });
  assert.equal(directory.findByUid("u"), POD);
  assert.equal(directory.nameOf("o"), undefined);
  assert.equal(directory.findByUid("o"), undefined);
});

Deno.test("NodePods.findContainer() throws when the name has another UID, or none", () => {
  const directory = openDirectory(POD, OTHER_NAMESPACE);
  const target = { namespace: "ns", pod: "web", container: "" };
  assert.equal(directory.findContainer(target).container, "app");
  const exact = { ...target, uid: "u", container: "side" };
  assert.equal(directory.findContainer(exact).container, "side");
  const notFound = {
    code: "not_found",
    message: 'Cannot find pod "ns/web": no such pod on node "edge-1"',
  };
  assert.throws(
    () => directory.findContainer({ ...target, uid: "x" }),
    notFound,
  );
  assert.throws(
    () => directory.findContainer({ ...target, namespace: "other", pod: "ds" }),
    { code: "not_found" },
  );
});

Deno.test("NodePods.findContainer() throws unavailable until the pods of the namespace are known", () => {
  const directory = openDirectory();
  const find = (namespace: string) =>
    directory.findContainer({ namespace, pod: "web", container: "" });
  assert.throws(() => find("ns"), { code: "not_found" });
  assert.throws(() => find("late"), {
    code: "unavailable",
    message:
      'Cannot find pod "late/web": the pods of its namespace are not known yet',
  });
});

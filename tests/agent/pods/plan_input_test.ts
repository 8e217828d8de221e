// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type {
  RuntimeContainer,
  RuntimePod,
} from "../../../lib/agent/runtime/mod.ts";
import { create, PodSpecSchema } from "../../../lib/shared/wire/mod.ts";
import {
  findExitCode,
  findRunning,
  LABELS,
  listContainers,
  toInstances,
} from "../../../lib/agent/pods/plan_input.ts";
import {
  containerInput,
  exited,
  running,
  toInstance,
} from "./_support/plan_scenario.ts";

const toContainer = (changes: Partial<RuntimeContainer>): RuntimeContainer => ({
  id: "c",
  name: "app",
  kind: "app",
  attempt: 0,
  image: "img",
  imageId: "sha256:1",
  state: "exited",
  startedUnixMs: 1_000,
  finishedUnixMs: 5_000,
  exitCode: 1,
  oomKilled: false,
  error: "",
  labels: {},
  ...changes,
});

const toPod = (...containers: RuntimeContainer[]): RuntimePod => ({
  uid: "u1",
  namespace: "ns",
  name: "web",
  sandbox: undefined,
  containers,
});

Deno.test("listContainers() has init containers first, and sidecars by their restart policy", () => {
  const spec = create(PodSpecSchema, {
    initContainers: [
      { name: "setup" },
      { name: "proxy", restartAlways: true },
    ],
    containers: [{ name: "app" }],
  });
  assert.deepEqual(
    listContainers(spec).map(({ spec, role }) => [spec.name, role]),
    [["setup", "init"], ["proxy", "sidecar"], ["app", "app"]],
  );
});

Deno.test("toInstances() returns the instances of one name, newest first, with their labels", () => {
  const pod = toPod(
    toContainer({ id: "c0" }),
    toContainer({ id: "other", name: "b" }),
    toContainer({
      id: "c1",
      attempt: 1,
      state: "running",
      labels: {
        [LABELS.backoffLevel]: "3",
        [LABELS.sandbox]: "s9",
        [LABELS.image]: "named:1",
      },
    }),
  );
  const found = toInstances(pod, {
    name: "app",
    exitedAtMs: new Map([["c0", 77], ["c1", 88]]),
  });
  assert.deepEqual(found.map(({ id }) => id), ["c1", "c0"]);
  assert.equal(found[0]?.backoffLevel, 3);
  assert.equal(found[0]?.sandboxId, "s9");
  assert.equal(found[0]?.image, "named:1");
  assert.equal(found[0]?.exitedAtMs, 0);
  assert.equal(found[1]?.exitedAtMs, 77);
  assert.equal(found[1]?.ranMs, 4_000);
  assert.equal(found[1]?.image, "img");
});

Deno.test("toInstances() takes a back-off level of 0 when the label is no number", () => {
  const pod = toPod(toContainer({ labels: { [LABELS.backoffLevel]: "x" } }));
  const options = { name: "app", exitedAtMs: new Map() };
  assert.equal(toInstances(pod, options)[0]?.backoffLevel, 0);
});

Deno.test("toInstances() has a running time of 0 when the container could not be started", () => {
  const pod = toPod(toContainer({ exitCode: 128, startedUnixMs: 0 }));
  const options = { name: "app", exitedAtMs: new Map() };
  assert.equal(toInstances(pod, options)[0]?.ranMs, 0);
});

Deno.test("toInstances() returns nothing when the engine does not hold the pod", () => {
  const options = { name: "app", exitedAtMs: new Map() };
  assert.deepEqual(toInstances(undefined, options), []);
});

Deno.test("findRunning() finds the instance that runs", () => {
  const instances = [running({ attempt: 1 }), exited(1)];
  assert.equal(findRunning(containerInput("app", { instances }))?.id, "c1");
  assert.equal(
    findRunning(containerInput("app", { instances: instances.slice(1) })),
    undefined,
  );
});

for (
  const [title, instances, expected] of [
    ["the newest one exited", [exited(3, { attempt: 1 }), exited(4)], 3],
    ["the newest one runs", [running({ attempt: 1 }), exited(4)], undefined],
    ["the newest one was never started", [toInstance("created"), exited(4)], 4],
    ["there is none", [], 9],
    ["there is only one that was never started", [toInstance("created")], 9],
  ] as const
) {
  Deno.test(`findExitCode() returns ${expected} when of the instances ${title}`, () => {
    const container = containerInput("app", {
      instances: [...instances],
      input: { completedExitCode: 9 },
    });
    assert.equal(findExitCode(container), expected);
  });
}

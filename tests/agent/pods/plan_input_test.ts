// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type {
  RuntimeContainer,
  RuntimePod,
} from "../../../lib/agent/runtime/mod.ts";
import {
  ContainerSchema,
  create,
  PodSpecSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  crashLoop,
  LABELS,
  restartDelayMs,
  toInstances,
} from "../../../lib/agent/pods/plan_input.ts";
import { exited } from "./_support/plan_scenario.ts";

const container = (more: Partial<RuntimeContainer>): RuntimeContainer => ({
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
  ...more,
});

const podOf = (...containers: RuntimeContainer[]): RuntimePod => ({
  uid: "u1",
  namespace: "ns",
  name: "web",
  sandbox: undefined,
  containers,
});

Deno.test("toInstances() gives those of one name, newest first, with what their labels say", () => {
  const pod = podOf(
    container({ id: "c0" }),
    container({ id: "other", name: "b" }),
    container({
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
  const found = toInstances(pod, { name: "app", seenDeadMs: () => 77 });
  assert.deepEqual(found.map(({ id }) => id), ["c1", "c0"]);
  assert.equal(found[0]?.backoffLevel, 3);
  assert.equal(found[0]?.sandboxId, "s9");
  assert.equal(found[0]?.image, "named:1");
  assert.equal(found[1]?.deadAtMs, 77);
  assert.equal(found[1]?.ranMs, 4_000);
  assert.equal(found[1]?.image, "img");
});

Deno.test("toInstances() survives labels that are no numbers, and a pod that isn't there", () => {
  const pod = podOf(container({ labels: { [LABELS.backoffLevel]: "x" } }));
  const options = { name: "app", seenDeadMs: () => 0 };
  assert.equal(toInstances(pod, options)[0]?.backoffLevel, 0);
  assert.deepEqual(toInstances(undefined, options), []);
});

Deno.test("restartDelayMs() is nothing at first, and after a good run", () => {
  assert.equal(restartDelayMs(exited(1)), 0);
  assert.equal(restartDelayMs(exited(1, { attempt: 8, ranMs: 600_000 })), 0);
});

for (
  const [attempt, text] of [
    [1, "10s"],
    [3, "40s"],
    [4, "1m20s"],
    [6, "5m0s"],
  ] as const
) {
  Deno.test(`crashLoop() says "${text}"`, () => {
    const spec = create(ContainerSchema, { name: "app" });
    const pod = create(PodSpecSchema, {
      name: "web",
      namespace: "edge",
      uid: "u1",
    });
    assert.equal(
      crashLoop(spec, { last: exited(1, { attempt }), pod }).message,
      `back-off ${text} restarting failed container=app pod=web_edge(u1)`,
    );
  });
}

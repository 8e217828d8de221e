// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import type {
  RuntimeContainer,
  RuntimePod,
} from "../../../lib/agent/runtime/mod.ts";
import { PodObservation } from "../../../lib/agent/pods/pod_observation.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

function createFixture() {
  const clock = new VirtualClock();
  const { context } = createWorkerContext(clock);
  const reads: string[] = [];
  context.volumes.readMessage = ({ container, attempt }) => {
    reads.push(`${container}-${attempt}`);
    return Promise.resolve(utf8("bye"));
  };
  const observation = new PodObservation({ context, podUid: "u1" });
  return { clock, observation, reads };
}

const toContainer = (changes: Partial<RuntimeContainer>): RuntimeContainer => ({
  id: "app-0",
  name: "app",
  kind: "app",
  attempt: 0,
  image: "img",
  imageId: "sha256:1",
  state: "exited",
  startedUnixMs: 0,
  finishedUnixMs: 0,
  exitCode: 1,
  oomKilled: false,
  error: "",
  labels: {},
  ...changes,
});

const toPod = (
  containers: RuntimeContainer[],
  sandbox?: RuntimePod["sandbox"],
): RuntimePod => ({
  uid: "u1",
  namespace: "ns",
  name: "web",
  sandbox,
  containers,
});

const findNone = () => undefined;

Deno.test("update() reads the termination message of each exited instance once", async () => {
  const { observation, reads } = createFixture();
  const pod = toPod([
    toContainer({}),
    toContainer({ id: "b-2", name: "b", attempt: 2, state: "running" }),
  ]);
  await observation.update(pod, findNone);
  await observation.update(pod, findNone);
  assert.deepEqual(reads, ["app-0"]);
  assert.deepEqual([...observation.terminationMessages], [["app-0", "bye"]]);
});

Deno.test("listInstances() has the exit time on the monotonic clock", async () => {
  const { clock, observation } = createFixture();
  const exitedAtMs = clock.monotonicMs();
  const finishedUnixMs = clock.wallMs();
  await clock.pass(5_000);
  await observation.update(toPod([toContainer({ finishedUnixMs })]), findNone);
  assert.equal(observation.listInstances("app")[0]?.exitedAtMs, exitedAtMs);
});

for (
  const [title, finishedUnixMs] of [
    ["the engine has no time", 0],
    ["the engine's time is in the future", 2_000_000_000_000],
  ] as const
) {
  Deno.test(`listInstances() has the time of the first update() when ${title}`, async () => {
    const { clock, observation } = createFixture();
    const pod = toPod([toContainer({ finishedUnixMs })]);
    const firstMs = clock.monotonicMs();
    await observation.update(pod, findNone);
    await clock.pass(5_000);
    await observation.update(pod, findNone);
    assert.equal(observation.listInstances("app")[0]?.exitedAtMs, firstMs);
  });
}

Deno.test("dropInstance() returns the attempt and drops message and exit time", async () => {
  const { observation, reads } = createFixture();
  const pod = toPod([toContainer({ attempt: 3 })]);
  await observation.update(pod, findNone);
  assert.equal(observation.dropInstance("app-0"), 3);
  assert.equal(observation.terminationMessages.size, 0);
  assert.equal(observation.dropInstance("unknown"), undefined);
  await observation.update(pod, findNone);
  assert.deepEqual(reads, ["app-3", "app-3"]);
});

Deno.test("sandbox and podIps follow the last update()", async () => {
  const { observation } = createFixture();
  assert.deepEqual(observation.sandbox, { kind: "absent", id: "" });
  const podIps = ["10.0.0.2"];
  for (const isRunning of [true, false]) {
    await observation.update(
      toPod([], { id: "s1", running: isRunning, podIps }),
      findNone,
    );
    assert.deepEqual(observation.sandbox, {
      kind: isRunning ? "ready" : "exited",
      id: "s1",
    });
    assert.deepEqual(observation.podIps, podIps);
  }
  await observation.update(undefined, findNone);
  assert.deepEqual(observation.sandbox, { kind: "absent", id: "" });
  assert.deepEqual(observation.podIps, []);
});

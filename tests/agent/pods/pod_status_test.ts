// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { RuntimeContainer } from "../../../lib/agent/runtime/mod.ts";
import type { ContainerStatus } from "../../../lib/shared/wire/mod.ts";
import {
  create,
  PodSpecSchema,
  RestartPolicy,
  TerminatedSchema,
} from "../../../lib/shared/wire/mod.ts";
import { planPod } from "../../../lib/agent/pods/plan.ts";
import type { PlanInput } from "../../../lib/agent/pods/plan_input.ts";
import { createPodRecord } from "../../../lib/agent/pods/pod_record.ts";
import {
  toPodStatus,
  type ToPodStatusOptions,
  toTerminated,
} from "../../../lib/agent/pods/pod_status.ts";
import {
  exited as exitedInstance,
  planInput,
  running as runningInstance,
} from "./_support/plan_scenario.ts";

const RAW = {
  imageId: "sha256:1",
  startedUnixMs: 1_000,
  finishedUnixMs: 2_500,
  oomKilled: false,
  error: "",
} as RuntimeContainer;
const exited = (exitCode: number, attempt = 0) =>
  exitedInstance(exitCode, { attempt, raw: RAW });
const running = (attempt = 0) => runningInstance({ attempt, raw: RAW });

function statusOf(
  input: PlanInput,
  changes: Partial<ToPodStatusOptions> = {},
) {
  return toPodStatus({
    input,
    plan: planPod(input),
    record: createPodRecord(input.spec, { firstSeenUnixMs: 7 }),
    podIps: ["10.0.0.2"],
    hostIps: ["192.0.2.1"],
    ready: new Set(["app"]),
    terminationMessages: new Map(),
    ...changes,
  });
}

/** Describes states, e.g. "running ready" or "waiting:Reason after terminated:1". */
function describe(status: ContainerStatus | undefined): string {
  const text = (state: ContainerStatus["state"]) =>
    state?.state.case === "waiting"
      ? `waiting:${state.state.value.reason}`
      : state?.state.case === "terminated"
      ? `terminated:${state.state.value.exitCode}`
      : String(state?.state.case);
  const last = status?.lastTerminated
    ? ` after ${text(status.lastTerminated)}`
    : "";
  return `${text(status?.state)}${status?.ready ? " ready" : ""}${last}`;
}

for (
  const [title, instances, expected] of [
    ["has never run", [], "waiting:ContainerCreating"],
    ["runs", [running()], "running ready"],
    [
      "was restarted",
      [running(1), exited(7)],
      "running ready after terminated:7",
    ],
    [
      "is in back-off",
      [exited(7, 1), exited(5)],
      "waiting:CrashLoopBackOff after terminated:7",
    ],
    ["is restarted at once", [exited(7)], "terminated:7"],
  ] as const
) {
  Deno.test(`toPodStatus() shows "${expected}" when the container ${title}`, () => {
    const input = planInput({ app: { instances: [...instances] } });
    const [container] = statusOf(input).containers;
    assert.equal(describe(container), expected);
    assert.equal(container?.restartCount, instances[0]?.attempt ?? 0);
  });
}

Deno.test("toPodStatus() shows the recorded end when the engine no longer holds the container", () => {
  const input = planInput({ app: { input: { completedExitCode: 3 } } }, {
    policy: RestartPolicy.NEVER,
  });
  const record = createPodRecord(input.spec, { firstSeenUnixMs: 7 });
  record.completed.set(
    "app",
    create(TerminatedSchema, { exitCode: 3, containerId: "docker://c9" }),
  );
  record.restartCounts.set("app", 4);
  const [container] = statusOf(input, { record }).containers;
  assert.equal(describe(container), "terminated:3");
  assert.equal(container?.restartCount, 4);
  assert.equal(container?.containerId, "docker://c9");
});

Deno.test("toPodStatus() shows an app container as not ready when its probe does not pass", () => {
  const input = planInput({ app: { instances: [running()] } });
  const { containers } = statusOf(input, { ready: new Set() });
  assert.equal(describe(containers[0]), "running");
});

for (
  const [title, instances, attempt, expected] of [
    ["its first start", [running()], 0, "waiting:ContainerCreating"],
    ["a restart", [running(1), exited(7)], 1, "terminated:7"],
  ] as const
) {
  Deno.test(`toPodStatus() shows "${expected}" while the postStart hook of ${title} runs`, () => {
    const input = planInput({ app: { instances: [...instances] } }, {
      busy: new Set(["container/app"]),
      starting: new Map([["app", { attempt, image: "img:1" }]]),
    });
    const [container] = statusOf(input).containers;
    assert.equal(describe(container), expected);
    assert.equal(container?.restartCount, 0);
  });
}

Deno.test("toPodStatus() shows an init container as ready when it has succeeded", () => {
  const input = planInput({
    init1: { instances: [exited(0)] },
    init2: { instances: [running()] },
    app: {},
  });
  const status = statusOf(input);
  assert.deepEqual(
    status.initContainers.map(describe),
    ["terminated:0 ready", "running"],
  );
  assert.deepEqual(
    status.containers.map(describe),
    ["waiting:PodInitializing"],
  );
});

Deno.test("toPodStatus() shows the device's addresses when the pod has its network", () => {
  const input = planInput({ app: {} });
  assert.deepEqual(statusOf(input).podIps, ["10.0.0.2"]);
  input.spec = create(PodSpecSchema, { hostNetwork: true });
  assert.deepEqual(statusOf(input).podIps, ["192.0.2.1"]);
  input.sandbox = { kind: "exited", id: "s1" };
  assert.deepEqual(statusOf(input).podIps, []);
});

Deno.test("toPodStatus() is terminated when the removal has stopped every container", () => {
  const goal = { kind: "remove", stopByMs: 0 } as const;
  const input = planInput({ app: { instances: [running()] } }, { goal });
  assert.equal(statusOf(input).removing, true);
  assert.equal(statusOf(input).terminated, false);
  const ended = planInput({ app: { instances: [exited(0)] } }, { goal });
  assert.equal(statusOf(ended).terminated, true);
});

for (
  const [title, exitCode, changes, expected] of [
    ["the exit code is 0", 0, {}, ["Completed", ""]],
    ["the exit code is 1", 1, {}, ["Error", ""]],
    ["memory ran out", 137, { oomKilled: true }, ["OOMKilled", ""]],
    ["it could not be started", 128, { error: "no such file" }, [
      "StartError",
      "no such file",
    ]],
    ["the exit code is 128", 128, {}, ["Error", ""]],
  ] as const
) {
  Deno.test(`toTerminated() has reason ${expected[0]} when ${title}`, () => {
    const raw = { ...RAW, ...changes } as RuntimeContainer;
    const terminated = toTerminated(exitedInstance(exitCode, { raw }), "");
    assert.deepEqual([terminated.reason, terminated.message], expected);
    assert.equal(terminated.finishedUnixMs, 2_500n);
    assert.equal(terminated.containerId, "docker://c0");
  });
}

Deno.test("toTerminated() prefers the termination message to the engine's error", () => {
  const raw = { ...RAW, error: "engine" };
  const instance = exitedInstance(1, { raw });
  assert.equal(toTerminated(instance, "own").message, "own");
  assert.equal(toTerminated(instance, "").message, "engine");
});

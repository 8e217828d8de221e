// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { planPod } from "../../../lib/agent/pods/plan.ts";
import {
  createPodRecord,
  type RecordGoal,
} from "../../../lib/agent/pods/pod_record.ts";
import { PodState } from "../../../lib/agent/pods/pod_state.ts";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";
import { NOTHING_RUNS } from "./_support/plan_scenario.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

/** The state of one pod with a running container that has a liveness probe. */
async function createFixture(
  changes: Parameters<typeof podOf>[0] = {},
  options: { goal?: RecordGoal; isNew?: boolean } = {},
) {
  const clock = new VirtualClock();
  const worker = createWorkerContext(clock);
  const { context, engine } = worker;
  let probeCount = 0;
  engine.exec = () => {
    probeCount++;
    return Promise.resolve({ code: 0 });
  };
  const spec = podOf({
    containers: [{
      name: "app",
      image: "img",
      liveness: {
        handler: { action: { case: "exec", value: { command: ["check"] } } },
      },
    }],
    ...changes,
  });
  let syncCount = 0;
  const state = new PodState({
    context,
    record: createPodRecord(spec, {
      firstSeenUnixMs: clock.wallMs(),
      ...(options.goal && { goal: options.goal }),
    }),
    isNew: options.isNew ?? true,
    enqueueSync: () => void syncCount++,
  });
  await engine.ensureSandbox(
    {
      podUid: "u1",
      namespace: "ns",
      name: "web",
    } as Parameters<typeof engine.ensureSandbox>[0],
  );
  await engine.startContainer(
    {
      podUid: "u1",
      container: spec.containers[0],
      kind: "app",
      attempt: 0,
      labels: {},
    } as unknown as Parameters<typeof engine.startContainer>[0],
    new AbortController().signal,
  );
  return {
    ...worker,
    clock,
    spec,
    state,
    probeCount: () => probeCount,
    syncCount: () => syncCount,
    observe: async () =>
      await state.observe(await context.engine.findPod("u1")),
    [Symbol.asyncDispose]: () => state.close(),
  };
}

Deno.test("toPlanInput() has no effects", async () => {
  await using fixture = await createFixture();
  await fixture.observe();
  const input = fixture.state.toPlanInput(NOTHING_RUNS);
  await fixture.clock.pass(30_000);
  assert.equal(fixture.probeCount(), 0);
  assert.equal(input.containers[0]?.instances[0]?.state, "running");
  assert.equal(input.containers[0]?.started, false);
  assert.deepEqual(
    { ...fixture.state.toPlanInput(NOTHING_RUNS), nowMs: 0 },
    { ...input, nowMs: 0 },
  );
  assert.deepEqual(fixture.statuses, []);
  assert.deepEqual(fixture.saved, []);
});

Deno.test("syncProbes() starts the probes when a container runs and stops them when it has exited", async () => {
  await using fixture = await createFixture();
  const { state, clock, engine } = fixture;
  await fixture.observe();
  state.syncProbes(new Map());
  state.syncProbes(new Map());
  const [container] = state.toPlanInput(NOTHING_RUNS).containers;
  assert.equal(container?.started, true);
  await clock.pass(25_000);
  assert.equal(fixture.probeCount(), 3);
  engine.exitContainer("app-0", 1);
  await fixture.observe();
  assert.equal(
    state.toPlanInput(NOTHING_RUNS).containers[0]?.started,
    false,
  );
  state.syncProbes(new Map());
  await clock.pass(25_000);
  assert.equal(fixture.probeCount(), 3);
});

Deno.test("syncProbes() does not probe an instance whose start has not ended", async () => {
  await using fixture = await createFixture();
  const { state, clock } = fixture;
  await fixture.observe();
  state.syncProbes(new Map([["app", { attempt: 0, image: "img" }]]));
  await clock.pass(25_000);
  assert.equal(fixture.probeCount(), 0);
  state.syncProbes(new Map());
  await clock.pass(25_000);
  assert.equal(fixture.probeCount(), 3);
});

Deno.test("apply() replaces the spec, persists it and prepares the volumes again", async () => {
  await using fixture = await createFixture();
  const { state } = fixture;
  state.recordVolumesReady(fixture.spec);
  assert.equal(state.toPlanInput(NOTHING_RUNS).volumes.kind, "ready");
  const next = podOf({ specHash: "h2" });
  await state.apply(next);
  assert.equal(state.record.spec, next);
  assert.deepEqual(fixture.saved, [state.record]);
  assert.equal(state.toPlanInput(NOTHING_RUNS).volumes.kind, "pending");
  // The outcome of an action for the former spec.
  state.recordVolumesReady(fixture.spec);
  assert.equal(state.toPlanInput(NOTHING_RUNS).volumes.kind, "pending");
});

for (
  const [goal, isRefused] of [
    ["run", false],
    ["unmanaged", false],
    ["remove", true],
    ["terminated", true],
    ["purge", true],
  ] as const
) {
  Deno.test(`apply() ${isRefused ? "throws" : "succeeds"} when the goal is ${goal}`, async () => {
    await using fixture = await createFixture({}, { goal });
    const applied = fixture.state.apply(podOf());
    if (isRefused) {
      await assert.rejects(applied, { code: "conflict" });
      assert.equal(fixture.state.record.goal, goal);
    } else {
      await applied;
      assert.equal(fixture.state.record.goal, "run");
    }
  });
}

Deno.test("remove() keeps the shortest grace period and its deadline", async () => {
  await using fixture = await createFixture();
  const { state, clock } = fixture;
  const startMs = clock.monotonicMs();
  const goalOf = () => state.toPlanInput(NOTHING_RUNS).goal;
  await state.remove(20);
  assert.deepEqual(goalOf(), { kind: "remove", stopByMs: startMs + 20_000 });
  await clock.pass(5_000);
  await state.remove(600);
  assert.equal(state.record.graceSeconds, 20);
  assert.deepEqual(goalOf(), { kind: "remove", stopByMs: startMs + 20_000 });
  await state.remove(1);
  assert.equal(state.record.graceSeconds, 1);
  // Not less than the minimum of 2 s.
  assert.deepEqual(goalOf(), { kind: "remove", stopByMs: startMs + 7_000 });
});

Deno.test("remove() does nothing when the pod is terminated", async () => {
  await using fixture = await createFixture({}, { goal: "terminated" });
  await fixture.state.remove(5);
  assert.equal(fixture.state.record.goal, "terminated");
  assert.deepEqual(fixture.saved, []);
});

for (
  const [reason, graceMs] of [["DeadlineExceeded", 30_000], [
    "Evicted",
    2_000,
  ]] as const
) {
  Deno.test(`fail() persists ${reason}, reports it and stops the pod within ${graceMs} ms`, async () => {
    await using fixture = await createFixture();
    const { state, clock } = fixture;
    await state.fail({ reason, message: "disk full", isDisruption: true });
    assert.deepEqual(state.record.failure, {
      reason,
      message: "disk full",
      isDisruption: true,
    });
    assert.deepEqual(fixture.events, [{
      podUid: "u1",
      container: "",
      warning: true,
      reason,
      message: "disk full",
    }]);
    assert.deepEqual(state.toPlanInput(NOTHING_RUNS).goal, {
      kind: "fail",
      stopByMs: clock.monotonicMs() + graceMs,
    });
  });
}

for (
  const [title, change, isRemoved] of [
    ["remove()", (state: PodState) => state.remove(5), true],
    ["purge()", (state: PodState) => state.purge(), true],
    [
      "fail()",
      (state: PodState) => state.fail({ reason: "Evicted", message: "" }),
      false,
    ],
  ] as const
) {
  Deno.test(`${title} takes effect when the record can't be written, and is written later`, async () => {
    await using fixture = await createFixture();
    const { context, state, clock, saved } = fixture;
    await fixture.observe();
    const { save } = context.store;
    context.store.save = () => Promise.reject(new Error("disk is full"));
    await change(state);
    assert.notEqual(state.toPlanInput(NOTHING_RUNS).goal.kind, "run");
    // After a crash the pod must not be started from its former record.
    assert.deepEqual(fixture.unsaved, isRemoved ? ["u1"] : []);
    assert.equal(state.syncAtMs, clock.monotonicMs() + 60_000);
    context.store.save = save;
    const recordPlan = async () => {
      const input = state.toPlanInput(NOTHING_RUNS);
      await state.recordPlan({ input, plan: planPod(input) });
    };
    await recordPlan();
    assert.deepEqual(saved, []);
    await clock.pass(60_000);
    await recordPlan();
    assert.deepEqual(saved, [state.record]);
    assert.equal(state.syncAtMs, undefined);
  });
}

Deno.test("recordVolumesFailure() doubles the back-off up to a minute; retryFailures() ends it", async () => {
  await using fixture = await createFixture();
  const { state, clock } = fixture;
  const volumesOf = () => state.toPlanInput(NOTHING_RUNS).volumes;
  for (const delayMs of [1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1_000)) {
    state.recordVolumesFailure("no");
    assert.deepEqual(volumesOf(), {
      kind: "failed",
      message: "no",
      retryAtMs: clock.monotonicMs() + delayMs,
    });
  }
  state.recordSandboxFailure();
  assert.equal(
    state.toPlanInput(NOTHING_RUNS).sandboxRetryAtMs,
    clock.monotonicMs() + 5_000,
  );
  state.retryFailures();
  assert.deepEqual(volumesOf(), { kind: "pending" });
  assert.equal(state.toPlanInput(NOTHING_RUNS).sandboxRetryAtMs, 0);
});

Deno.test("toPlanInput() counts the active deadline from when the pod was first seen", async () => {
  await using fixture = await createFixture({ activeDeadlineSeconds: 60n });
  const { state, clock } = fixture;
  const startMs = clock.monotonicMs();
  await clock.pass(5_000);
  const { deadlineAtMs } = state.toPlanInput(NOTHING_RUNS);
  assert.equal(deadlineAtMs, startMs + 60_000);
});

Deno.test("recordPlan() publishes a status once when nothing changes", async () => {
  await using fixture = await createFixture();
  const { state } = fixture;
  await fixture.observe();
  assert.equal(state.needsInitialStatus, true);
  for (let round = 0; round < 2; round++) {
    const input = state.toPlanInput(NOTHING_RUNS);
    await state.recordPlan({ input, plan: planPod(input) });
  }
  assert.equal(fixture.statuses.length, 1);
  assert.equal(state.needsInitialStatus, false);
  assert.deepEqual(fixture.saved, []);
});

Deno.test("recordPlan() persists the final status when the removal is done", async () => {
  await using fixture = await createFixture({}, { goal: "remove" });
  const { state, engine } = fixture;
  engine.exitContainer("app-0", 143);
  await fixture.observe();
  const input = state.toPlanInput(NOTHING_RUNS);
  await state.recordPlan({ input, plan: planPod(input) });
  assert.equal(state.record.goal, "terminated");
  assert.equal(state.record.completed.get("app")?.exitCode, 143);
  assert.equal(state.record.lastStatus?.terminated, true);
  assert.deepEqual(fixture.saved, [state.record]);
  assert.deepEqual(fixture.statuses, [state.record.lastStatus]);
});

Deno.test("needsInitialStatus is false when the pod is not new", async () => {
  await using fixture = await createFixture({}, { isNew: false });
  assert.equal(fixture.state.needsInitialStatus, false);
});

Deno.test("a terminated pod keeps its status when the agent was restarted", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.waitForStatus("pod:terminated");
  await fixture.stopAgent();
  fixture.engine.pods.clear();
  await fixture.startAgent();
  const [status] = await fixture.podWorkers.list();
  assert.equal(status?.terminated, true);
  const state = status?.containers[0]?.state?.state;
  assert.equal(state?.case === "terminated" && state.value.exitCode, 143);
});

Deno.test("a finished pod gives its sandbox and volumes back, and keeps its status", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf({
    restartPolicy: RestartPolicy.NEVER,
    volumes: [{ name: "v", source: { case: "emptyDir", value: {} } }],
    containers: [{
      name: "app",
      image: "img",
      terminationMessagePath: "/dev/termination-log",
    }],
  }));
  await fixture.waitForStatus("app:running#0 ready");
  const path = fixture.engine.requests.get("app-0")?.binds[0]?.source;
  assert.ok(path);
  await Deno.writeTextFile(path, "my own words");
  fixture.engine.exitContainer("app-0", 3);
  await fixture.waitForCall("stop sandbox u1");
  await fixture.waitForStatus("app:terminated:3#0");
  const volumes = `${fixture.dir}/volumes/u1/volumes`;
  await fixture.waitUntil("the volumes are still there", () => {
    try {
      return !Deno.statSync(volumes);
    } catch {
      return true;
    }
  });
  // The dead container stays for its log.
  assert.ok(fixture.engine.findContainer("app-0"));
  await fixture.stopAgent();
  await fixture.startAgent();
  await fixture.waitForStatus("app:terminated:3#0");
  const state = fixture.podWorkers.findStatus("u1")?.containers[0]?.state;
  assert.equal(
    state?.state.case === "terminated" && state.state.value.message,
    "my own words",
  );
  assert.ok(!fixture.engine.calls.includes("remove app-0"));
});

Deno.test("a completed pod is not run again when the engine was pruned", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf({ restartPolicy: RestartPolicy.NEVER }));
  await fixture.waitForCall("start app-0");
  fixture.engine.exitContainer("app-0", 3);
  await fixture.waitForStatus("app:terminated:3#0");
  await fixture.stopAgent();
  fixture.engine.pods.clear();
  await fixture.startAgent();
  await fixture.waitForStatus("app:terminated:3#0");
  assert.equal(
    fixture.engine.calls.filter((call) => call.startsWith("start")).length,
    1,
  );
});

Deno.test("a pod is removed when the disk is full", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  fixture.isDiskFull = true;
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 5 });
  await fixture.waitForStatus("app:terminated:143#0 pod:terminated");
  // A device that boots now does not run the pod again.
  await fixture.stopAgent();
  fixture.isDiskFull = false;
  fixture.engine.pods.clear();
  await fixture.startAgent();
  assert.deepEqual(await fixture.podWorkers.list(), []);
});

Deno.test("a pod fails when the disk is full, without a write again and again", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf({ activeDeadlineSeconds: 60n }));
  await fixture.waitForStatus("app:running#0 ready");
  fixture.isDiskFull = true;
  fixture.advance(61_000);
  await fixture.waitForStatus("app:terminated:143#0");
  await fixture.waitForCall("stop sandbox u1");
  assert.equal(
    fixture.podWorkers.findStatus("u1")?.failureReason,
    "DeadlineExceeded",
  );
  // The age of the pod, its failure, and how the container ended.
  assert.equal(fixture.failedWriteCount, 3);
});

Deno.test("a pod fails and its containers are stopped when its active deadline is over", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf({ activeDeadlineSeconds: 60n }));
  await fixture.waitForStatus("app:running#0 ready");
  fixture.advance(61_000);
  await fixture.waitForStatus("app:terminated:143#0");
  assert.equal(
    fixture.podWorkers.findStatus("u1")?.failureReason,
    "DeadlineExceeded",
  );
});

Deno.test("toHandlerTarget() has an address of the device only for pods in its network", async () => {
  const targetOf = async (changes: Parameters<typeof podOf>[0]) => {
    await using fixture = await createFixture(changes);
    return fixture.state.toHandlerTarget("app-0");
  };
  const container = { kind: "container", containerId: "app-0", podUid: "u1" };
  // Not observed yet: the pod's address is not known.
  assert.deepEqual(await targetOf({}), {
    container,
    podIp: undefined,
    mayNameHosts: true,
  });
  assert.equal((await targetOf({ hostNetwork: true })).podIp, "192.0.2.1");
  await using fixture = await createFixture();
  await fixture.observe();
  assert.equal(fixture.state.toHandlerTarget("app-0").podIp, "10.0.0.2");
});

Deno.test("reportHookWarning() reports LifecycleHTTPFallback, and nothing without a warning", async () => {
  await using fixture = await createFixture();
  fixture.state.reportHookWarning("app", undefined);
  assert.deepEqual(fixture.events, []);
  fixture.state.reportHookWarning("app", "retry with HTTP succeeded");
  assert.deepEqual(fixture.events, [{
    podUid: "u1",
    container: "app",
    warning: true,
    reason: "LifecycleHTTPFallback",
    message: "retry with HTTP succeeded",
  }]);
});

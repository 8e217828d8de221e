// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { executeAction } from "../../../lib/agent/pods/execute.ts";
import type { Action } from "../../../lib/agent/pods/plan_builder.ts";
import { createPodRecord } from "../../../lib/agent/pods/pod_record.ts";
import { PodState } from "../../../lib/agent/pods/pod_state.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf, PodsFixture, readDir } from "./_support/pods_fixture.ts";
import { NOTHING_RUNS } from "./_support/plan_scenario.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

function createFixture(spec = podOf()) {
  const clock = new VirtualClock();
  const worker = createWorkerContext(clock);
  const { context } = worker;
  const state = new PodState({
    context,
    record: createPodRecord(spec, { firstSeenUnixMs: 0 }),
    isNew: true,
    enqueueSync() {},
  });
  const execute = (action: Action) =>
    executeAction(action, { context, state, log: SILENT_LOGGER });
  return { ...worker, clock, state, execute };
}

Deno.test("executeAction() records a failure and reports it when volumes can't be set up", async () => {
  const { context, state, events, execute } = createFixture();
  context.volumes.prepare = () =>
    Promise.reject(new AranyaError("invalid", "Cannot set up volume: no"));
  await execute({ kind: "prepareVolumes" }).done;
  assert.equal(state.toPlanInput(NOTHING_RUNS).volumes.kind, "failed");
  assert.deepEqual(events.map(({ reason, message }) => [reason, message]), [
    ["FailedMount", "Cannot set up volume: no"],
  ]);
  context.volumes.prepare = () => Promise.resolve(undefined);
  await execute({ kind: "prepareVolumes" }).done;
  assert.equal(state.toPlanInput(NOTHING_RUNS).volumes.kind, "ready");
});

for (
  const [code, reasons] of [
    ["internal", ["FailedCreatePodSandBox"]],
    ["unavailable", []],
  ] as const
) {
  Deno.test(`executeAction() backs off and reports [${reasons}] when the sandbox is "${code}"`, async () => {
    const { engine, state, events, clock, execute } = createFixture();
    engine.ensureSandbox = () =>
      Promise.reject(new AranyaError(code, "Cannot create sandbox: no"));
    await execute({ kind: "ensureSandbox" }).done;
    assert.equal(
      state.toPlanInput(NOTHING_RUNS).sandboxRetryAtMs,
      clock.monotonicMs() + 5_000,
    );
    assert.deepEqual(events.map(({ reason }) => reason), reasons);
  });
}

Deno.test("executeAction() marks an instance as unhealthy when its postStart hook fails", async () => {
  const { engine, state, events, execute } = createFixture(podOf({
    containers: [{
      name: "app",
      image: "img",
      postStart: { action: { case: "exec", value: { command: ["hi"] } } },
    }],
  }));
  engine.exec = () => Promise.resolve({ code: 3 });
  await execute({ kind: "ensureSandbox" }).done;
  await execute({
    kind: "start",
    name: "app",
    attempt: 0,
    image: "img",
    backoffLevel: 0,
  }).done;
  assert.deepEqual(state.healthOf("app").unhealthy, {
    id: "app-0",
    graceMs: 30_000,
    failedCheck: "postStart hook",
  });
  assert.equal(events.at(-1)?.reason, "FailedPostStartHook");
});

Deno.test("executeAction() reports BackOff when it is not the first restart in a row", async () => {
  const { events, execute } = createFixture();
  for (const backoffLevel of [0, 1, 2]) {
    await execute({
      kind: "start",
      name: "app",
      attempt: backoffLevel,
      image: "img",
      backoffLevel,
    }).done;
  }
  const backOffs = events.filter(({ reason }) => reason === "BackOff");
  assert.deepEqual(backOffs.map(({ message }) => message), [
    "Back-off restarting failed container app in pod web_ns(u1)",
  ]);
});

Deno.test("executeAction() stays busy for 5 s when an instance can't be removed", async () => {
  const { engine, clock, execute } = createFixture();
  engine.unavailable = true;
  const startMs = clock.monotonicMs();
  const running = execute({ kind: "removeInstance", id: "c0", name: "app" });
  await clock.run(running.done);
  assert.equal(clock.monotonicMs() - startMs, 5_000);
});

Deno.test("executeAction() reports FailedKillPod and stays busy for 5 s when a stop fails", async () => {
  const { engine, clock, events, execute } = createFixture();
  engine.stopContainer = () =>
    Promise.reject(new AranyaError("internal", "Cannot stop: it hangs"));
  const startMs = clock.monotonicMs();
  const running = execute({
    kind: "stop",
    name: "app",
    id: "app-0",
    stopByMs: startMs + 10_000,
    cause: "removed",
    isHeld: false,
  });
  await clock.run(running.done);
  assert.equal(clock.monotonicMs() - startMs, 5_000);
  assert.deepEqual(events.at(-1), {
    podUid: "u1",
    container: "app",
    warning: true,
    reason: "FailedKillPod",
    message: "error killing pod: Cannot stop: it hangs",
  });
});

Deno.test("executeAction() tries to purge a pod again when the engine is unavailable", async () => {
  const { engine, clock, dropped, execute } = createFixture();
  engine.unavailable = true;
  const running = execute({ kind: "purge" });
  await clock.pass(12_000);
  assert.deepEqual(dropped, []);
  engine.unavailable = false;
  await clock.run(running.done);
  assert.deepEqual(dropped, ["u1"]);
  assert.deepEqual(engine.calls, ["remove sandbox u1"]);
});

Deno.test("executeAction() releases sandbox and volumes, and stays busy for 5 s when that fails", async () => {
  const { context, engine, state, clock, execute } = createFixture();
  let removedUid = "";
  context.volumes.release = (uid) => {
    removedUid = uid;
    return Promise.resolve();
  };
  engine.unavailable = true;
  const startMs = clock.monotonicMs();
  await clock.run(execute({ kind: "release" }).done);
  assert.equal(clock.monotonicMs() - startMs, 5_000);
  assert.equal(state.toPlanInput(NOTHING_RUNS).isReleased, false);
  engine.unavailable = false;
  await execute({ kind: "release" }).done;
  assert.equal(state.toPlanInput(NOTHING_RUNS).isReleased, true);
  assert.deepEqual(engine.calls, ["stop sandbox u1"]);
  assert.equal(removedUid, "u1");
});

Deno.test("executeAction() resolves when it is aborted", async () => {
  const { engine, dropped, execute } = createFixture();
  engine.unavailable = true;
  const running = execute({ kind: "purge" });
  running.abort();
  await running.done;
  assert.deepEqual(dropped, []);
});

Deno.test("remove() runs preStop and stops with the rest of the grace period; purge() removes everything", async () => {
  await using fixture = await PodsFixture.start();
  const commands: string[] = [];
  fixture.engine.exec = ({ command }) => {
    commands.push(command.join(" "));
    return Promise.resolve({ code: 0 });
  };
  await fixture.podWorkers.apply(podOf({
    volumes: [{ name: "v", source: { case: "emptyDir", value: {} } }],
    containers: [{
      name: "app",
      image: "img",
      preStop: { action: { case: "exec", value: { command: ["bye"] } } },
    }],
  }));
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 20 });
  await fixture.waitForStatus("app:terminated:143#0 pod:terminated");
  assert.deepEqual(commands, ["bye"]);
  assert.ok(fixture.engine.wasStopped("app-0", { graceSeconds: 20 }));
  await assert.rejects(
    fixture.podWorkers.apply(podOf()),
    /it is being removed/,
  );
  await fixture.podWorkers.purge("u1");
  await fixture.waitForCall("remove sandbox u1");
  await fixture.waitUntil(
    "the pod is still there",
    () => fixture.podWorkers.findStatus("u1") === undefined,
  );
  assert.deepEqual(await fixture.podWorkers.list(), []);
  const list = (name: string) =>
    Array.fromAsync(readDir(`${fixture.dir}/${name}`));
  assert.deepEqual(await list("pods"), []);
  assert.deepEqual(await list("volumes"), []);
});

Deno.test("a removed pod is not terminated before the engine has ended a start that was aborted", async () => {
  await using fixture = await PodsFixture.start();
  const started = Promise.withResolvers<void>();
  fixture.engine.gates.set("app", started.promise);
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForCall("sandbox u1");
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.waitUntil(
    "the removal is not reported",
    () => fixture.podWorkers.findStatus("u1")?.removing === true,
  );
  assert.equal(fixture.podWorkers.findStatus("u1")?.terminated, false);
  started.resolve();
  await fixture.waitForStatus("app:terminated:143#0 pod:terminated");
  assert.deepEqual(
    fixture.engine.calls.map((call) => call.replace(/ \d+s$/, "")),
    ["sandbox u1", "start app-0", "stop app-0"],
  );
});

Deno.test("purge() waits for a sandbox that is being created, and removes it", async () => {
  await using fixture = await PodsFixture.start();
  const created = Promise.withResolvers<void>();
  fixture.engine.gates.set("sandbox u1", created.promise);
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForCall("sandbox u1");
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 30 });
  await fixture.podWorkers.purge("u1");
  created.resolve();
  await fixture.waitUntil(
    "the pod is still there",
    () => fixture.podWorkers.findStatus("u1") === undefined,
  );
  assert.deepEqual(fixture.engine.calls, ["sandbox u1", "remove sandbox u1"]);
  assert.equal(fixture.engine.pods.size, 0);
});

Deno.test("a failed pod does not wait for a postStart hook, and starts nothing after a pull", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.exec = (_request, { signal }) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  const pulled = Promise.withResolvers<void>();
  fixture.engine.gates.set("pull slow", pulled.promise);
  const postStart = {
    action: { case: "exec" as const, value: { command: ["hang"] } },
  };
  await fixture.podWorkers.apply(podOf({
    activeDeadlineSeconds: 60n,
    containers: [{ name: "app", image: "img", postStart }],
  }));
  await fixture.podWorkers.apply(podOf({
    uid: "u2",
    name: "other",
    activeDeadlineSeconds: 60n,
    containers: [{ name: "pulling", image: "slow" }],
  }));
  await fixture.waitForCall("start app-0");
  await fixture.waitForCall("sandbox u2");
  fixture.advance(61_000);
  await fixture.waitForStatus("app:terminated:143#0");
  await fixture.waitUntil(
    "the pod has not failed",
    () =>
      fixture.podWorkers.findStatus("u2")?.failureReason === "DeadlineExceeded",
  );
  pulled.resolve();
  await fixture.podWorkers.remove({ uid: "u2", graceSeconds: 30 });
  await fixture.waitForStatus("pod:terminated", "u2");
  assert.ok(!fixture.engine.calls.includes("start pulling-0"));
});

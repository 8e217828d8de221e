// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import type { StopAction } from "../../../lib/agent/pods/plan_builder.ts";
import { createPodRecord } from "../../../lib/agent/pods/pod_record.ts";
import { PodState } from "../../../lib/agent/pods/pod_state.ts";
import { ContainerStop } from "../../../lib/agent/pods/stop_container.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

function createFixture(changes: Partial<StopAction> = {}) {
  const clock = new VirtualClock();
  const { context, engine, events } = createWorkerContext(clock);
  const controller = new AbortController();
  const state = new PodState({
    context,
    record: createPodRecord(
      podOf({
        containers: [{
          name: "app",
          image: "img",
          preStop: { action: { case: "exec", value: { command: ["bye"] } } },
        }],
      }),
      { firstSeenUnixMs: 0 },
    ),
    isNew: true,
    enqueueSync() {},
  });
  const action: StopAction = {
    kind: "stop",
    name: "app",
    id: "app-0",
    stopByMs: clock.monotonicMs() + 20_000,
    cause: "removed",
    isHeld: false,
    ...changes,
  };
  const begin = () =>
    new ContainerStop(action, {
      context,
      state,
      log: SILENT_LOGGER,
      signal: controller.signal,
    });
  return { action, begin, clock, controller, engine, events, stop: begin() };
}

for (
  const [changes, message] of [
    [{}, "Stopping container app"],
    [
      { cause: "changed" },
      "Container app definition changed, will be restarted",
    ],
    [
      { cause: "unhealthy", failedCheck: "liveness probe" },
      "Container app failed liveness probe, will be restarted",
    ],
    [
      { cause: "unhealthy", failedCheck: "postStart hook" },
      "FailedPostStartHook",
    ],
  ] as const satisfies (readonly [Partial<StopAction>, string])[]
) {
  Deno.test(`run() reports "${message}"`, async () => {
    const { events, stop } = createFixture(changes);
    await stop.run();
    assert.deepEqual(events, [{
      podUid: "u1",
      container: "app",
      warning: false,
      reason: "Killing",
      message,
    }]);
  });
}

Deno.test("run() gives the container what the preStop hook left of the grace period", async () => {
  const { clock, engine, stop } = createFixture();
  engine.exec = async () => {
    await clock.sleep(8_000);
    return { code: 0 };
  };
  await clock.run(stop.run());
  assert.deepEqual(engine.calls, ["stop app-0 12s"]);
});

Deno.test("run() reports a failed preStop hook and stops the container all the same", async () => {
  const { engine, events, stop } = createFixture();
  engine.exec = () => Promise.resolve({ code: 3 });
  await stop.run();
  assert.equal(events[1]?.reason, "FailedPreStopHook");
  assert.equal(
    events[1]?.message,
    "PreStopHook failed: command exited with 3",
  );
  assert.deepEqual(engine.calls, ["stop app-0 20s"]);
});

Deno.test("run() rejects and sends no stop signal when it is aborted during the hook", async () => {
  const { controller, engine, stop } = createFixture();
  engine.exec = (_request, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      controller.abort(new Error("agent stops"));
    });
  await assert.rejects(stop.run(), /agent stops/);
  assert.deepEqual(engine.calls, []);
});

Deno.test("run() does not repeat hook and Event when the stop of the instance failed before", async () => {
  const { begin, engine, events } = createFixture();
  let hookCount = 0;
  engine.exec = () => {
    hookCount++;
    return Promise.resolve({ code: 0 });
  };
  engine.unavailable = true;
  await assert.rejects(begin().run(), { code: "unavailable" });
  engine.unavailable = false;
  await begin().run();
  assert.equal(hookCount, 1);
  assert.deepEqual(events.map(({ reason }) => reason), ["Killing"]);
  assert.deepEqual(engine.calls, ["stop app-0 20s"]);
});

Deno.test("run() runs the hook of a held stop at once, and sends the signal at its turn", async () => {
  const { action, clock, engine, stop } = createFixture({ isHeld: true });
  const hooks: number[] = [];
  engine.exec = () => {
    hooks.push(clock.monotonicMs());
    return Promise.resolve({ code: 0 });
  };
  const startMs = clock.monotonicMs();
  const running = stop.run();
  await clock.pass(5_000);
  assert.deepEqual(hooks, [startMs]);
  assert.deepEqual(engine.calls, []);
  stop.update({ ...action, isHeld: false });
  await clock.run(running);
  assert.deepEqual(engine.calls, ["stop app-0 15s"]);
});

Deno.test("run() sends the signal of a held stop when the grace period is over", async () => {
  const { clock, engine, stop } = createFixture({ isHeld: true });
  const startMs = clock.monotonicMs();
  await clock.run(stop.run());
  assert.equal(clock.monotonicMs() - startMs, 20_000);
  assert.deepEqual(engine.calls, ["stop app-0 2s"]);
});

Deno.test("run() rejects when a held stop is aborted", async () => {
  const { controller, clock, engine, stop } = createFixture({ isHeld: true });
  const running = stop.run();
  await clock.pass(1_000);
  controller.abort(new Error("agent stops"));
  await assert.rejects(running, /agent stops/);
  assert.deepEqual(engine.calls, []);
  assert.equal(clock.sleeperCount, 0);
});

Deno.test("update() repeats the stop when the signal was sent, and ignores a later deadline", async () => {
  const { action, clock, engine, stop } = createFixture();
  engine.gates.set("stop app-0", clock.sleep(4_000));
  const running = clock.run(stop.run());
  await clock.sleep(1_000);
  for (const inMs of [60_000, 5_000]) {
    stop.update({ ...action, stopByMs: clock.monotonicMs() + inMs });
  }
  assert.equal(stop.action.stopByMs, clock.monotonicMs() + 5_000);
  await running;
  assert.deepEqual(engine.calls, ["stop app-0 20s", "stop app-0 5s"]);
});

Deno.test("remove() shortens a stop that runs when the grace period is shorter", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0 ready");
  const stopped = Promise.withResolvers<void>();
  fixture.engine.gates.set("stop app-0", stopped.promise);
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 600 });
  await fixture.waitForStop("app-0", { graceSeconds: 600 });
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 5 });
  await fixture.waitForStop("app-0", { graceSeconds: 5 });
  stopped.resolve();
  await fixture.waitForStatus("pod:terminated");
});

Deno.test("remove() aborts a preStop hook when the grace period is over", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.exec = (_request, { signal }) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  await fixture.podWorkers.apply(podOf({
    containers: [{
      name: "app",
      image: "img",
      preStop: { action: { case: "exec", value: { command: ["hang"] } } },
    }],
  }));
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 600 });
  await fixture.waitUntil(
    "no stop began",
    () => fixture.events.some(({ reason }) => reason === "Killing"),
  );
  await fixture.podWorkers.remove({ uid: "u1", graceSeconds: 0 });
  await fixture.waitForCall("stop app-0 2s");
  await fixture.waitForStatus("pod:terminated");
});

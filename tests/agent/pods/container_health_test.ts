// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { ContainerSchema, create } from "../../../lib/shared/wire/mod.ts";
import { ContainerHealth } from "../../../lib/agent/pods/container_health.ts";
import type { PodEvent } from "../../../lib/agent/pods/context.ts";
import type { RuntimeContainer } from "../../../lib/agent/runtime/mod.ts";
import { running } from "./_support/plan_scenario.ts";
import { createPodRecord } from "../../../lib/agent/pods/pod_record.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

function createFixture() {
  const clock = new VirtualClock();
  const { context, engine } = createWorkerContext(clock);
  const events: Omit<PodEvent, "podUid">[] = [];
  let syncCount = 0;
  const health = new ContainerHealth({
    context,
    name: "app",
    pod: {
      record: createPodRecord(podOf(), { firstSeenUnixMs: 0 }),
      toHandlerTarget: (containerId) => ({
        container: { kind: "container", containerId, podUid: "u1" },
        podIp: "127.0.0.1",
        mayNameHosts: true,
      }),
      reportEvent: (event) => void events.push(event),
    },
    enqueueSync: () => void syncCount++,
  });
  return {
    clock,
    engine,
    events,
    health,
    syncCount: () => syncCount,
    [Symbol.asyncDispose]: () => health.close(),
  };
}

const failure = (engineUnavailable = false) => ({
  reason: "ErrImagePull",
  message: "no",
  engineUnavailable,
});

const RAW = { startedUnixMs: 1_000 } as RuntimeContainer;
const PROBED = create(ContainerSchema, {
  name: "app",
  liveness: {
    handler: { action: { case: "exec", value: { command: ["check"] } } },
    failureThreshold: 1,
  },
});

Deno.test("recordStartFailure() doubles the back-off up to 5 minutes; recordStart() and another image reset it", async () => {
  await using fixture = createFixture();
  const { health, clock } = fixture;
  const nowMs = clock.monotonicMs();
  for (const seconds of [10, 20, 40, 80, 160, 300, 300]) {
    health.recordStartFailure(failure(), { attempt: 4, image: "img" });
    assert.deepEqual(health.startFailure, {
      attempt: 4,
      image: "img",
      reason: "ErrImagePull",
      message: "no",
      failedAtMs: nowMs,
      retryAtMs: nowMs + seconds * 1_000,
    });
  }
  const retryAtMs = () => health.startFailure?.retryAtMs;
  health.recordStart("app-4");
  assert.equal(retryAtMs(), undefined);
  for (const image of ["img", "other"]) {
    health.recordStartFailure(failure(), { attempt: 5, image });
    assert.equal(retryAtMs(), nowMs + 10_000);
  }
});

Deno.test("recordStartFailure() does not back off when the engine is unavailable", async () => {
  await using fixture = createFixture();
  const { health, clock } = fixture;
  for (let round = 0; round < 3; round++) {
    health.recordStartFailure(failure(true), { attempt: 0, image: "img" });
    assert.equal(
      health.startFailure?.retryAtMs,
      clock.monotonicMs() + 2_000,
    );
  }
});

Deno.test("markUnhealthy() takes the pod's grace period when the probe has none", async () => {
  await using fixture = createFixture();
  const { health } = fixture;
  health.markUnhealthy("app-0", { failedCheck: "postStart hook" });
  assert.deepEqual(health.unhealthy, {
    id: "app-0",
    graceMs: 30_000,
    failedCheck: "postStart hook",
  });
  health.markUnhealthy("app-0", {
    failedCheck: "liveness probe",
    graceSeconds: 0,
  });
  assert.equal(health.unhealthy?.graceMs, 0);
  assert.equal(fixture.syncCount(), 2);
});

Deno.test("syncProbes() probes one instance at a time", async () => {
  await using fixture = createFixture();
  const { health, engine, clock } = fixture;
  const targets: string[] = [];
  engine.exec = ({ target }) => {
    targets.push(target.kind === "container" ? target.containerId : "");
    return Promise.resolve({ code: 0 });
  };
  assert.equal(health.isStarted(undefined), false);
  health.syncProbes(PROBED, running({ id: "app-0", raw: RAW }));
  assert.equal(health.isStarted("app-0"), true);
  assert.equal(health.isStarted("app-1"), false);
  await clock.pass(5_000);
  health.syncProbes(PROBED, running({ id: "app-1", raw: RAW }));
  assert.equal(health.isStarted("app-0"), false);
  await clock.pass(5_000);
  health.syncProbes(PROBED, undefined);
  assert.equal(health.ready, false);
  await clock.pass(60_000);
  assert.deepEqual(targets, ["app-0", "app-1"]);
});

Deno.test("syncProbes() probes with the probes of another spec, and leaves the same ones alone", async () => {
  await using fixture = createFixture();
  const { health, engine, clock } = fixture;
  const commands: string[] = [];
  engine.exec = ({ command: [name = ""] }) => {
    commands.push(name);
    return Promise.resolve({ code: 0 });
  };
  const instance = running({ id: "app-0", raw: RAW });
  health.syncProbes(create(ContainerSchema, { name: "app" }), instance);
  assert.equal(health.ready, true);
  const withReadiness = () =>
    create(ContainerSchema, {
      name: "app",
      readiness: {
        handler: { action: { case: "exec", value: { command: ["ready"] } } },
      },
    });
  health.syncProbes(withReadiness(), instance);
  // Whether it is ready is not known yet.
  assert.equal(health.isPending, true);
  await clock.pass(15_000);
  assert.equal(health.ready, true);
  health.syncProbes(withReadiness(), instance);
  assert.equal(health.isPending, false);
  await clock.pass(10_000);
  assert.deepEqual(commands, ["ready", "ready", "ready"]);
});

Deno.test("syncProbes() reports each failure, and marks the instance when the threshold is reached", async () => {
  await using fixture = createFixture();
  const { health, engine, clock } = fixture;
  engine.exec = () => Promise.resolve({ code: 3 });
  health.recordStart("app-0");
  health.syncProbes(PROBED, running({ id: "app-0", raw: RAW }));
  await clock.pass(5_000);
  assert.deepEqual(fixture.events, [{
    container: "app",
    warning: true,
    reason: "Unhealthy",
    message: "Liveness probe failed: command exited with 3",
  }]);
  assert.equal(health.unhealthy?.failedCheck, "liveness probe");
});

Deno.test("a failed pull does not block other containers and is tried again", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.failures.set(
    "pull bad",
    new AranyaError("not_found", "Cannot pull image: unknown"),
  );
  await fixture.podWorkers.apply(podOf({
    containers: [{ name: "a", image: "bad" }, { name: "b", image: "img" }],
  }));
  await fixture.waitForStatus("a:waiting:ErrImagePull#0 b:running#0 ready");
  fixture.advance(6_000);
  await fixture.waitForStatus("a:waiting:ImagePullBackOff#0");
  fixture.engine.failures.clear();
  fixture.advance(5_000);
  await fixture.waitForStatus("a:running#0 ready b:running#0 ready");
});

Deno.test("a container becomes ready by its probe, and is restarted when its liveness probe fails", async () => {
  await using fixture = await PodsFixture.start();
  const passes = { ready: false, alive: true };
  fixture.engine.exec = ({ command: [name] }) =>
    Promise.resolve({
      code: (name === "ready" ? passes.ready : passes.alive) ? 0 : 1,
    });
  const probe = (command: string) => ({
    handler: {
      action: { case: "exec" as const, value: { command: [command] } },
    },
    periodSeconds: 1,
    failureThreshold: 1,
    terminationGraceSeconds: 3n,
  });
  await fixture.podWorkers.apply(podOf({
    containers: [{
      name: "app",
      image: "img",
      readiness: probe("ready"),
      liveness: probe("alive"),
    }],
  }));
  await fixture.waitForStatus("app:running#0");
  assert.equal(fixture.describe(), "app:running#0");
  passes.ready = true;
  await fixture.waitForStatus("app:running#0 ready");
  passes.alive = false;
  await fixture.waitForStop("app-0", { graceSeconds: 3 });
  await fixture.waitForCall("start app-1");
});

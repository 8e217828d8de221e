// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { until } from "../../../dev/base/wait.ts";
import { AranyaError, SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { RestartPolicy } from "../../../lib/shared/wire/mod.ts";
import { createPodRecord } from "../../../lib/agent/pods/pod_record.ts";
import { PodWorker } from "../../../lib/agent/pods/pod_worker.ts";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";
import { createWorkerContext } from "./_support/worker_context.ts";

const PROBED = podOf({
  containers: [{
    name: "app",
    image: "img",
    liveness: {
      handler: { action: { case: "exec", value: { command: ["check"] } } },
    },
  }],
});

/** A worker whose syncs and probes are counted. */
function createFixture({ isNew = true } = {}) {
  const worker = createWorkerContext(SYSTEM_CLOCK);
  const { context, engine } = worker;
  const counts = { listings: 0, probes: 0 };
  const findPod = context.engine.findPod.bind(context.engine);
  context.engine.findPod = (uid) => {
    counts.listings++;
    return findPod(uid);
  };
  engine.exec = () => {
    counts.probes++;
    return Promise.resolve({ code: 0 });
  };
  const pod = new PodWorker(context, {
    record: createPodRecord(PROBED, { firstSeenUnixMs: Date.now() }),
    isNew,
  });
  return { ...worker, counts, pod };
}

Deno.test("a sync starts the probes of a container that runs", async () => {
  const { pod, counts } = createFixture();
  pod.start();
  await until(() => counts.probes > 0);
  await pod[Symbol.asyncDispose]();
});

Deno.test("enqueueSync() leads to one sync when it is called several times", async () => {
  const { pod, engine, counts } = createFixture();
  engine.unavailable = true;
  pod.start();
  for (let round = 0; round < 5; round++) pod.enqueueSync();
  await until(() => counts.listings > 0);
  await SYSTEM_CLOCK.sleep(0);
  assert.equal(counts.listings, 1);
  await pod[Symbol.asyncDispose]();
  pod.enqueueSync();
  await SYSTEM_CLOCK.sleep(0);
  assert.equal(counts.listings, 1);
});

for (const isNew of [true, false]) {
  Deno.test(`a ${isNew ? "new" : "known"} pod ${isNew ? "has a" : "has no"} status when the engine is unavailable`, async () => {
    const { pod, engine, counts, statuses } = createFixture({ isNew });
    engine.unavailable = true;
    pod.start();
    await until(() => counts.listings > 0);
    await SYSTEM_CLOCK.sleep(0);
    assert.equal(statuses.length, isNew ? 1 : 0);
    assert.equal(counts.probes, 0);
    await pod[Symbol.asyncDispose]();
  });
}

Deno.test("volumes with many files are measured less often", async () => {
  const pauses: number[] = [];
  let nowMs = 0;
  const { context } = createWorkerContext({
    ...SYSTEM_CLOCK,
    monotonicMs: () => nowMs,
    sleep(delayMs, options) {
      pauses.push(delayMs);
      // The last one ends with the worker.
      return SYSTEM_CLOCK.sleep(pauses.length > 2 ? 60_000 : 0, options);
    },
  });
  const walksMs = [100, 3_000];
  context.volumes.findExceededLimit = () => {
    nowMs += walksMs.shift() ?? 0;
    return Promise.resolve(undefined);
  };
  const spec = podOf({
    volumes: [{
      name: "work",
      source: { case: "emptyDir", value: { sizeLimitBytes: 1n } },
    }],
  });
  const pod = new PodWorker(context, {
    record: createPodRecord(spec, { firstSeenUnixMs: 0 }),
    isNew: false,
  });
  context.registry.mayRun = () => false;
  pod.start();
  await until(() => pauses.length === 3);
  assert.deepEqual(pauses, [10_000, 10_000, 60_000]);
  await pod[Symbol.asyncDispose]();
});

for (
  const [title, priority, isEvicted] of [
    ["a critical pod is not", 2_000_000_000, false],
    ["another pod is", 10, true],
  ] as const
) {
  Deno.test(`${title} evicted when an emptyDir exceeds its limit`, async () => {
    let pauseCount = 0;
    const { context } = createWorkerContext({
      ...SYSTEM_CLOCK,
      sleep: (_delayMs, options) =>
        SYSTEM_CLOCK.sleep(pauseCount++ > 1 ? 60_000 : 0, options),
    });
    let walkCount = 0;
    context.volumes.findExceededLimit = () => {
      walkCount++;
      return Promise.resolve("too much");
    };
    const spec = podOf({
      priority,
      volumes: [{
        name: "work",
        source: { case: "emptyDir", value: { sizeLimitBytes: 1n } },
      }],
    });
    const pod = new PodWorker(context, {
      record: createPodRecord(spec, { firstSeenUnixMs: 0 }),
      isNew: false,
    });
    context.registry.mayRun = () => false;
    pod.start();
    await until(() => pauseCount > 2 || !pod.isActive);
    assert.ok(walkCount > 0);
    assert.equal(
      pod.record.failure?.reason,
      isEvicted ? "Evicted" : undefined,
    );
    await pod[Symbol.asyncDispose]();
  });
}

Deno.test("a start that ends while the engine is being listed is not repeated", async () => {
  const { context, engine, events } = createWorkerContext(SYSTEM_CLOCK);
  const start = Promise.withResolvers<void>();
  const listing = Promise.withResolvers<void>();
  engine.gates.set("app", start.promise);
  const findPod = context.engine.findPod.bind(context.engine);
  let heldCount = 0;
  let isHolding = false;
  context.engine.findPod = async (uid) => {
    const found = await findPod(uid);
    if (isHolding) {
      heldCount++;
      await listing.promise;
    }
    return found;
  };
  const pod = new PodWorker(context, {
    record: createPodRecord(podOf(), { firstSeenUnixMs: Date.now() }),
    isNew: true,
  });
  pod.start();
  await until(() => events.some(({ reason }) => reason === "Pulled"));
  // This listing does not have the container yet, and comes after its start has ended.
  isHolding = true;
  pod.enqueueSync();
  await until(() => heldCount > 0);
  isHolding = false;
  start.resolve();
  await until(() => events.some(({ reason }) => reason === "Started"));
  await SYSTEM_CLOCK.sleep(0);
  listing.resolve();
  await until(() => pod.runningContainers.includes("app"));
  await pod[Symbol.asyncDispose]();
  assert.deepEqual(
    events.map(({ reason }) => reason),
    ["Pulled", "Started"],
  );
});

Deno.test("apply() starts a pod: sandbox, init containers in order, then the others", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf({
    initContainers: [{ name: "i1", image: "img" }, {
      name: "i2",
      image: "img",
    }],
    containers: [{ name: "a", image: "img" }, { name: "b", image: "img" }],
  }));
  await fixture.waitForCall("start i1-0");
  await fixture.waitForStatus("a:waiting:PodInitializing#0");
  fixture.engine.exitContainer("i1-0", 0);
  await fixture.waitForCall("start i2-0");
  fixture.engine.exitContainer("i2-0", 0);
  await fixture.waitForStatus(
    "i1:terminated:0#0 ready i2:terminated:0#0 ready a:running#0 ready b:running#0 ready",
  );
  assert.deepEqual(fixture.engine.calls, [
    "sandbox u1",
    "start i1-0",
    "start i2-0",
    "start a-0",
    "start b-0",
  ]);
  const status = fixture.podWorkers.findStatus("u1");
  assert.deepEqual(status?.podIps, ["10.0.0.2"]);
  assert.deepEqual(status?.hostIps, ["192.0.2.1"]);
  assert.equal(status?.specHash, "h1");
});

Deno.test("app containers start one after the other, each after the postStart hook of the one before", async () => {
  await using fixture = await PodsFixture.start();
  const hook = Promise.withResolvers<{ code: number }>();
  fixture.engine.exec = () => hook.promise;
  const postStart = {
    action: { case: "exec" as const, value: { command: ["warm-up"] } },
  };
  await fixture.podWorkers.apply(podOf({
    containers: [
      { name: "proxy", image: "img", postStart },
      { name: "app", image: "img" },
    ],
  }));
  await fixture.waitForCall("start proxy-0");
  // A status after the start of the container.
  const version = fixture.podWorkers.findStatus("u1")?.version ?? 0n;
  await fixture.podWorkers.apply(podOf({
    specHash: "h2",
    containers: [
      { name: "proxy", image: "img", postStart },
      { name: "app", image: "img" },
    ],
  }));
  await fixture.waitUntil(
    "no status",
    () => (fixture.podWorkers.findStatus("u1")?.version ?? 0n) > version,
  );
  assert.equal(
    fixture.describe(),
    "proxy:waiting:ContainerCreating#0 app:waiting:ContainerCreating#0",
  );
  hook.resolve({ code: 0 });
  await fixture.waitForStatus("proxy:running#0 ready app:running#0 ready");
});

Deno.test("a container that is replaced starts again whatever its restart policy", async () => {
  await using fixture = await PodsFixture.start();
  const specOf = (image: string) =>
    podOf({
      restartPolicy: RestartPolicy.NEVER,
      specHash: image,
      containers: [{ name: "app", image }],
    });
  await fixture.podWorkers.apply(specOf("img:1"));
  await fixture.waitForStatus("app:running#0 ready");
  await fixture.podWorkers.apply(specOf("img:2"));
  await fixture.waitForStatus("app:running#1 ready");
  assert.equal(fixture.engine.requests.get("app-1")?.container.image, "img:2");
});

Deno.test("a container that failed its liveness probe starts again when it exits with 0 and the policy is OnFailure", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.exec = () => Promise.resolve({ code: 1 });
  fixture.engine.stopExitCode = 0;
  await fixture.podWorkers.apply(podOf({
    restartPolicy: RestartPolicy.ON_FAILURE,
    containers: [{
      name: "app",
      image: "img",
      liveness: {
        failureThreshold: 1,
        handler: { action: { case: "exec", value: { command: ["check"] } } },
      },
    }],
  }));
  await fixture.waitForCall("start app-1");
});

Deno.test("a failing container is restarted with growing delays, and its last end is in the status", async () => {
  await using fixture = await PodsFixture.start();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForCall("start app-0");
  fixture.engine.exitContainer("app-0", 7);
  await fixture.waitForCall("start app-1");
  await fixture.waitForStatus("app:running#1 ready");
  const status = fixture.podWorkers.findStatus("u1");
  const last = status?.containers[0]?.lastTerminated?.state;
  assert.equal(last?.case === "terminated" && last.value.exitCode, 7);
  fixture.engine.exitContainer("app-1", 7);
  await fixture.waitForStatus("app:waiting:CrashLoopBackOff#1");
  fixture.advance(10_000);
  await fixture.waitForCall("start app-2");
  fixture.engine.exitContainer("app-2", 7);
  await fixture.waitForStatus("app:waiting:CrashLoopBackOff#2");
  await fixture.waitForCall("remove app-0");
  assert.ok(fixture.events.some(({ reason }) => reason === "BackOff"));
});

Deno.test("a pod that can't be started does not affect another one", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.failures.set("bad", new AranyaError("internal", "Cannot x"));
  await fixture.podWorkers.apply(
    podOf({ containers: [{ name: "bad", image: "img" }] }),
  );
  await fixture.podWorkers.apply(podOf({ uid: "u2", name: "other" }));
  await fixture.waitForStatus("app:running#0 ready", "u2");
  await fixture.waitForStatus("bad:waiting:RunContainerError#0");
});

Deno.test("a pod starts when an unavailable engine becomes available", async () => {
  await using fixture = await PodsFixture.start();
  fixture.engine.unavailable = true;
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:waiting:ContainerCreating#0");
  fixture.engine.unavailable = false;
  fixture.engine.notifyWatchers("");
  await fixture.waitForStatus("app:running#0 ready");
});

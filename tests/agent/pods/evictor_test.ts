// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type EvictablePod,
  EVICTION_INTERVAL_MS,
  Evictor,
} from "../../../lib/agent/pods/evictor.ts";
import type { DevicePressure } from "../../../lib/agent/runtime/mod.ts";
import {
  ContainerStatsSchema,
  create,
  type PodSpec,
} from "../../../lib/shared/wire/mod.ts";
import {
  abortable,
  type Clock,
  SILENT_LOGGER,
} from "../../../lib/shared/base/mod.ts";
import { podOf, PodsFixture } from "./_support/pods_fixture.ts";

const MIB = 1024 * 1024;
const NONE: DevicePressure = {
  exceeded: [],
  conditions: [],
  hasOneDisk: true,
  countsPodMemory: true,
};
const MEMORY: DevicePressure = {
  exceeded: [{
    signal: "memory.available",
    thresholdCount: 100 * MIB,
    availableCount: 90 * MIB,
  }],
  conditions: ["MemoryPressure"],
  hasOneDisk: true,
  countsPodMemory: true,
};
const DISK: DevicePressure = {
  exceeded: [{
    signal: "imagefs.available",
    thresholdCount: 100 * MIB,
    availableCount: 90 * MIB,
  }],
  conditions: ["DiskPressure"],
  hasOneDisk: true,
  countsPodMemory: true,
};

const stats = (podUid: string, container: string, memoryMib: number) =>
  create(ContainerStatsSchema, {
    podUid,
    container,
    memoryWorkingSetBytes: BigInt(memoryMib * MIB),
  });

/** Two running pods, "u1" and "u2", on a device that is measured when the sleeps are released. */
async function startTwoPods() {
  const fixture = new PodsFixture();
  const sleeps = fixture.holdSleeps(EVICTION_INTERVAL_MS);
  await fixture.startAgent();
  await fixture.podWorkers.apply(podOf());
  await fixture.waitForStatus("app:running#0");
  await fixture.podWorkers.apply(podOf({
    uid: "u2",
    name: "db",
    containers: [{
      name: "db",
      image: "img:2",
      resources: { memoryRequestBytes: 500n },
    }],
  }));
  await fixture.waitForStatus("db:running#0", "u2");
  return { fixture, sleeps };
}

/**
 * Makes the first stop of a container end the pressure: later, the pod may be released before that
 * is seen, and another one is evicted.
 */
function endPressureAtStop(fixture: PodsFixture, pressure = NONE): void {
  const { engine } = fixture;
  const stopContainer = engine.stopContainer.bind(engine);
  engine.stopContainer = (id, options) => {
    fixture.pressure = pressure;
    return stopContainer(id, options);
  };
}

const failureOf = (fixture: PodsFixture, uid: string) =>
  fixture.podWorkers.findStatus(uid)?.failureReason ?? "";

Deno.test("under memory pressure one pod is evicted, without its grace period, and the device reports it", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.engine.stats = [stats("u1", "app", 300), stats("u2", "db", 200)];
  fixture.pressure = MEMORY;
  endPressureAtStop(fixture, { ...NONE, conditions: ["MemoryPressure"] });
  sleeps.release();
  await fixture.waitForCall("stop app-0 2s");
  await fixture.waitUntil("no eviction", () => failureOf(fixture, "u1") !== "");
  const status = fixture.podWorkers.findStatus("u1");
  assert.equal(status?.failureReason, "Evicted");
  assert.equal(status?.disruptionTarget, true);
  assert.equal(
    status?.failureMessage,
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. " +
      "Container app was using 300Mi, request is 0, has larger consumption of memory. ",
  );
  assert.equal(failureOf(fixture, "u2"), "");
  assert.ok(fixture.pressureChangeCount > 0);
  const events = fixture.events.filter(({ warning }) => warning).map((
    { podUid, reason, message },
  ) => `${podUid} ${reason} ${message}`);
  assert.deepEqual(events, [
    " EvictionThresholdMet Attempting to reclaim memory",
    `u1 Evicted ${status?.failureMessage}`,
  ]);
});

Deno.test("under memory pressure nothing is evicted on a device that doesn't count the memory of pods", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.pressure = { ...MEMORY, countsPodMemory: false };
  sleeps.release();
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 0);
  fixture.pressure = NONE;
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 1);
  assert.equal(failureOf(fixture, "u1") + failureOf(fixture, "u2"), "");
  assert.deepEqual(fixture.events.filter(({ warning }) => warning), []);
});

Deno.test("under memory pressure a running pod whose memory can't be read is evicted first", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.engine.stats = [stats("u1", "app", 300)];
  fixture.pressure = MEMORY;
  endPressureAtStop(fixture);
  sleeps.release();
  await fixture.waitForCall("stop db-0 2s");
  assert.equal(failureOf(fixture, "u1"), "");
});

Deno.test("under disk pressure nothing is evicted when the removal of images is enough", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.onReclaim = () => fixture.pressure = NONE;
  fixture.pressure = DISK;
  sleeps.release();
  await fixture.waitUntil("not freed", () => fixture.reclaims.length > 0);
  await fixture.waitUntil(
    "no round afterwards",
    () => fixture.pressureChangeCount >= 2,
  );
  assert.deepEqual(fixture.reclaims, ["img,img:2"]);
  assert.equal(failureOf(fixture, "u1") + failureOf(fixture, "u2"), "");
});

Deno.test("under disk pressure the pod with the largest usage is evicted when the removal of images is not enough", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.engine.diskUsage = [
    { podUid: "u1", container: "app", usedBytes: 10 },
    { podUid: "u2", container: "db", usedBytes: 20 * MIB },
  ];
  fixture.pressure = DISK;
  endPressureAtStop(fixture);
  sleeps.release();
  await fixture.waitForCall("stop sandbox u2");
  await fixture.waitUntil("no eviction", () => failureOf(fixture, "u2") !== "");
  assert.match(
    fixture.podWorkers.findStatus("u2")?.failureMessage ?? "",
    /low on resource: ephemeral-storage.* Container db was using 20Mi, request is 0/,
  );
  assert.equal(failureOf(fixture, "u1"), "");
});

Deno.test("pressure on a disk without images removes none of them", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.pressure = {
    ...DISK,
    hasOneDisk: false,
    exceeded: DISK.exceeded.map((one) => ({
      ...one,
      signal: "nodefs.available",
    })),
  };
  endPressureAtStop(fixture);
  sleeps.release();
  await fixture.waitForCall("stop sandbox u1");
  assert.deepEqual(fixture.reclaims, []);
});

Deno.test("a pod above its limit of ephemeral storage is evicted without any pressure", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  await fixture.podWorkers.apply(podOf({
    specHash: "h2",
    containers: [{
      name: "app",
      image: "img",
      resources: { storageLimitBytes: BigInt(MIB) },
    }],
  }));
  fixture.engine.diskUsage = [
    { podUid: "u1", container: "app", usedBytes: MIB + 1 },
    { podUid: "u2", container: "db", usedBytes: 20 * MIB },
  ];
  sleeps.release();
  await fixture.waitUntil("no eviction", () => failureOf(fixture, "u1") !== "");
  const status = fixture.podWorkers.findStatus("u1");
  assert.equal(
    status?.failureMessage,
    "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
  );
  assert.equal(status?.disruptionTarget, false);
  assert.equal(failureOf(fixture, "u2"), "");
});

Deno.test("under pressure no second pod is evicted while one above its own limit gives back what it took", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  await fixture.podWorkers.apply(podOf({
    specHash: "h2",
    containers: [{
      name: "app",
      image: "img",
      resources: { storageLimitBytes: BigInt(MIB) },
    }],
  }));
  fixture.engine.diskUsage = [
    { podUid: "u1", container: "app", usedBytes: MIB + 1 },
    { podUid: "u2", container: "db", usedBytes: 20 * MIB },
  ];
  const stop = Promise.withResolvers<void>();
  fixture.engine.gates.set("stop app-0", stop.promise);
  const stopSandbox = fixture.engine.stopSandbox.bind(fixture.engine);
  fixture.engine.stopSandbox = (uid) => {
    fixture.pressure = { ...NONE, conditions: ["DiskPressure"] };
    return stopSandbox(uid);
  };
  sleeps.release();
  await fixture.waitUntil("no eviction", () => failureOf(fixture, "u1") !== "");
  fixture.pressure = DISK;
  await fixture.waitUntil(
    "no Event",
    () =>
      fixture.events.some(({ reason }) => reason === "EvictionThresholdMet"),
  );
  stop.resolve();
  await fixture.waitForCall("stop sandbox u1");
  fixture.pressure = NONE;
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 1);
  assert.equal(failureOf(fixture, "u1"), "Evicted");
  assert.equal(failureOf(fixture, "u2"), "");
  assert.deepEqual(fixture.reclaims, []);
});

const DISK_REJECTION = {
  reason: "Evicted",
  message: "The node had condition: [DiskPressure]. ",
};

/** Returns what the device answers to this command: reason and message, or nothing. */
async function applyTo(
  { podWorkers }: PodsFixture,
  spec: PodSpec,
): Promise<{ reason: string; message: string } | undefined> {
  const rejection = await podWorkers.apply(spec);
  if (!rejection) return undefined;
  const { reason, message } = rejection;
  return { reason, message };
}

Deno.test("a new pod is rejected under disk pressure, and leaves nothing on the disk", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.pressure = { ...NONE, conditions: ["DiskPressure"] };
  sleeps.release();
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 0);
  fixture.isDiskFull = true;
  const writeCount = fixture.failedWriteCount;
  const created = podOf({ uid: "u3", name: "new" });
  assert.deepEqual(await applyTo(fixture, created), DISK_REJECTION);
  assert.equal(fixture.failedWriteCount, writeCount);
  assert.equal(fixture.podWorkers.findSpec("u3"), undefined);
  assert.deepEqual(
    (await fixture.podWorkers.list()).map(({ uid }) => uid),
    ["u1", "u2"],
  );
  assert.deepEqual(fixture.events.filter(({ podUid }) => podUid === "u3"), []);
  fixture.isDiskFull = false;
  fixture.pressure = NONE;
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 1);
  assert.equal(await applyTo(fixture, created), undefined);
  await fixture.waitForStatus("app:running#0", "u3");
});

Deno.test("under disk pressure no pod is rejected that is critical or that the device has", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.pressure = { ...NONE, conditions: ["DiskPressure"] };
  sleeps.release();
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 0);
  const critical = podOf({ uid: "u4", priority: 2_000_000_000 });
  assert.equal(await applyTo(fixture, critical), undefined);
  fixture.engine.unavailable = true;
  assert.equal(await applyTo(fixture, podOf({ specHash: "h2" })), undefined);
  assert.equal(fixture.podWorkers.findSpec("u1")?.specHash, "h2");
  fixture.engine.unavailable = false;
  // Its record was lost, and the pods of the engine were not listed since.
  const [container] = fixture.engine.pods.get("u1")?.containers ?? [];
  assert.ok(container);
  fixture.engine.pods.set("u3", {
    uid: "u3",
    namespace: "ns",
    name: "new",
    containers: [{ ...container, id: "app-9" }],
    sandbox: { id: "s9", running: true, podIps: ["10.0.0.9"] },
  });
  const lost = podOf({ uid: "u3", name: "new" });
  fixture.engine.unavailable = true;
  await assert.rejects(applyTo(fixture, lost), { code: "unavailable" });
  fixture.engine.unavailable = false;
  assert.equal(await applyTo(fixture, lost), undefined);
  await fixture.waitForStatus("app:running#0", "u3");
  assert.equal(failureOf(fixture, "u1") + failureOf(fixture, "u3"), "");
});

Deno.test("a pod whose image doesn't fit is evicted in place of one that runs", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  const { promise } = Promise.withResolvers<void>();
  fixture.engine.gates.set("pull huge", promise);
  const ensureImage = fixture.engine.ensureImage.bind(fixture.engine);
  let isPulling = false;
  fixture.engine.ensureImage = (request, signal) => {
    isPulling ||= request.image === "huge";
    return ensureImage(request, signal);
  };
  await fixture.podWorkers.apply(podOf({
    uid: "u3",
    name: "new",
    priority: 10,
    containers: [{ name: "new", image: "huge" }],
  }));
  // Its status is published before the pull has begun.
  await fixture.waitUntil("no pull", () => isPulling);
  fixture.engine.diskUsage = [
    { podUid: "u1", container: "app", usedBytes: 300 * MIB },
  ];
  fixture.pressure = DISK;
  fixture.onReclaim = () => {
    fixture.onReclaim = () => fixture.pressure = NONE;
  };
  sleeps.release();
  await fixture.waitUntil(
    "no eviction",
    () => fixture.events.some(({ reason }) => reason === "Evicted"),
  );
  assert.deepEqual(
    fixture.events.filter(({ reason }) => reason === "Evicted")
      .map(({ podUid }) => podUid),
    ["u3"],
  );
});

Deno.test("a pod that starts, and whose image is there, is not evicted in place of a larger one", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  const { promise, resolve } = Promise.withResolvers<void>();
  fixture.engine.gates.set("new", promise);
  await fixture.podWorkers.apply(podOf({
    uid: "u3",
    name: "new",
    containers: [{ name: "new", image: "img" }],
  }));
  await fixture.waitUntil(
    "no image",
    () =>
      fixture.events.some(({ container, reason }) =>
        container === "new" && reason === "Pulled"
      ),
  );
  fixture.engine.diskUsage = [
    { podUid: "u1", container: "app", usedBytes: 300 * MIB },
  ];
  fixture.pressure = DISK;
  fixture.onReclaim = () => {
    fixture.onReclaim = () => fixture.pressure = NONE;
  };
  sleeps.release();
  await fixture.waitUntil(
    "no eviction",
    () => fixture.events.some(({ reason }) => reason === "Evicted"),
  );
  resolve();
  assert.deepEqual(
    fixture.events.filter(({ reason }) => reason === "Evicted")
      .map(({ podUid }) => podUid),
    ["u1"],
  );
});

Deno.test("no pod is evicted when the pressure has ended while usage was measured", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  fixture.engine.readStats = () => {
    fixture.pressure = { ...NONE, conditions: ["MemoryPressure"] };
    return Promise.resolve([stats("u1", "app", 300), stats("u2", "db", 200)]);
  };
  fixture.pressure = MEMORY;
  sleeps.release();
  await fixture.waitUntil(
    "not measured",
    () => fixture.pressure.exceeded.length === 0,
  );
  fixture.pressure = NONE;
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 1);
  assert.equal(failureOf(fixture, "u1") + failureOf(fixture, "u2"), "");
});

Deno.test("a slow measurement of pods with a storage limit doesn't delay an eviction for memory", async () => {
  const { fixture, sleeps } = await startTwoPods();
  await using _fixture = fixture;
  await fixture.podWorkers.apply(podOf({
    specHash: "h2",
    containers: [{
      name: "app",
      image: "img",
      resources: { storageLimitBytes: BigInt(MIB) },
    }],
  }));
  const walk = Promise.withResolvers<[]>();
  let walkCount = 0;
  fixture.engine.readDiskUsage = () => {
    walkCount++;
    return walk.promise;
  };
  fixture.engine.stats = [stats("u1", "app", 100), stats("u2", "db", 300)];
  sleeps.release();
  await fixture.waitUntil("no walk", () => walkCount > 0);
  fixture.pressure = MEMORY;
  try {
    await fixture.waitForCall("stop db-0 2s");
  } finally {
    fixture.pressure = NONE;
    walk.resolve([]);
  }
  assert.equal(walkCount, 1);
});

Deno.test("a critical pod is not evicted", async () => {
  await using fixture = new PodsFixture();
  const sleeps = fixture.holdSleeps(EVICTION_INTERVAL_MS);
  await fixture.startAgent();
  await fixture.podWorkers.apply(podOf({ priority: 2_000_001_000 }));
  await fixture.waitForStatus("app:running#0");
  fixture.engine.stats = [stats("u1", "app", 300)];
  fixture.pressure = MEMORY;
  sleeps.release();
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 0);
  await fixture.waitUntil(
    "no Event",
    () =>
      fixture.events.some(({ reason }) => reason === "EvictionThresholdMet"),
  );
  fixture.pressure = NONE;
  await fixture.waitUntil("no round", () => fixture.pressureChangeCount > 1);
  assert.equal(failureOf(fixture, "u1"), "");
});

/** An evictor whose clock stands still between its sleeps, and what it was seen to do. */
class Rounds {
  nowMs = 0;
  readonly pods: EvictablePod[] = [];
  /** What the device measures in each round; the last one ends the run. */
  readonly pressures: DevicePressure[] = [];
  readonly events: string[] = [];
  /** When the disk usage of containers was measured. */
  readonly diskMeasuredMs: number[] = [];
  onDiskMeasured: () => void = () => {};
  /** Called by each sleep of one of the loops. */
  onSleep: () => void = () => {};
  /** Called for each element of `pressures`, counted from 1. */
  onPressureRead: (count: number) => void = () => {};
  #pressureCount = 0;
  #sleepers: { atMs: number; done: PromiseWithResolvers<void> }[] = [];

  /** Adds a running pod that has 2 bytes on the disk. */
  addPod(
    uid: string,
    { storageLimitBytes = 1n, onEvicted = () => {} }: {
      storageLimitBytes?: bigint;
      onEvicted?: () => void;
    } = {},
  ) {
    const pod = {
      record: {
        spec: podOf({
          uid,
          containers: [{ name: "app", resources: { storageLimitBytes } }],
        }),
      },
      isActive: true,
      runningContainers: [],
      isPulling: false,
      isEvictedAndHeld: false,
      evictCount: 0,
      evict() {
        pod.evictCount++;
        onEvicted();
        return Promise.resolve();
      },
    };
    this.pods.push(pod);
    return pod;
  }

  /** Passes the time until the end of the next sleep once both loops of the evictor sleep. */
  async #sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.onSleep();
    const sleeper = {
      atMs: this.nowMs + delayMs,
      done: Promise.withResolvers<void>(),
    };
    this.#sleepers.push(sleeper);
    if (this.#sleepers.length === 2) {
      const [next] = this.#sleepers.toSorted((left, right) =>
        left.atMs - right.atMs
      );
      this.nowMs = next?.atMs ?? this.nowMs;
      const due = this.#sleepers.filter(({ atMs }) => atMs === this.nowMs);
      this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.nowMs);
      for (const { done } of due) done.resolve();
    }
    await abortable(sleeper.done.promise, signal);
  }

  async run(): Promise<void> {
    const end = new AbortController();
    const clock: Clock = {
      monotonicMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      sleep: (delayMs, { signal } = {}) => this.#sleep(delayMs, signal),
    };
    const evictor = new Evictor({
      reader: {
        readPressure: () => {
          const pressure = this.pressures.shift() ?? NONE;
          this.onPressureRead(++this.#pressureCount);
          if (this.pressures.length === 0) end.abort();
          return Promise.resolve(pressure);
        },
      },
      runtime: {
        readStats: () => Promise.resolve([]),
        readDiskUsage: () => {
          this.diskMeasuredMs.push(this.nowMs);
          this.onDiskMeasured();
          return Promise.resolve(
            this.pods.map(({ record }) => ({
              podUid: record.spec.uid,
              container: "app",
              usedBytes: 2,
            })),
          );
        },
      },
      volumes: {
        measure: () => Promise.resolve({ usedBytes: 0, inodeCount: 0 }),
      },
      reclaimer: { reclaim: () => Promise.resolve() },
      listPods: () => this.pods,
      reporter: {
        onPodEvent: ({ message }) => void this.events.push(message),
        onPressureChanged() {},
      },
      clock,
      log: SILENT_LOGGER,
    });
    await evictor.run(end.signal);
  }
}

Deno.test("Evictor measures the disk usage of pods with a limit every 30 s", async () => {
  const rounds = new Rounds();
  rounds.addPod("u1").record.spec.priority = 2_000_000_000;
  rounds.pressures.push(...Array.from({ length: 8 }, () => NONE));
  await rounds.run();
  assert.deepEqual(rounds.diskMeasuredMs, [0, 30_000, 60_000]);
});

Deno.test("Evictor doesn't evict a pod that has ended while the disk usage was measured", async () => {
  // Above its own limit, and while the disk is short: that is measured before and after images are
  // removed, and again before the eviction.
  for (
    const { storageLimitBytes, pressures } of [
      { storageLimitBytes: 1n, pressures: [NONE] },
      { storageLimitBytes: 0n, pressures: [DISK, DISK, DISK, DISK, DISK] },
    ]
  ) {
    const rounds = new Rounds();
    const ended = rounds.addPod("u1", { storageLimitBytes });
    const running = rounds.addPod("u2", {
      storageLimitBytes,
      onEvicted: () => running.isActive = false,
    });
    rounds.onDiskMeasured = () => ended.isActive = false;
    rounds.pressures.push(...pressures, NONE);
    await rounds.run();
    assert.deepEqual([ended.evictCount, running.evictCount], [0, 1]);
  }
});

Deno.test("Evictor reports each beginning of a shortage once", async () => {
  const rounds = new Rounds();
  rounds.pressures.push(MEMORY, MEMORY, NONE, MEMORY, NONE);
  await rounds.run();
  const event = "Attempting to reclaim memory";
  assert.deepEqual(rounds.events, [event, event]);
});

Deno.test("Evictor spends no more than a twentieth of the time with measuring disk usage", async () => {
  const rounds = new Rounds();
  rounds.addPod("u1").record.spec.priority = 2_000_000_000;
  rounds.onDiskMeasured = () => rounds.nowMs += 6_000;
  rounds.pressures.push(...Array.from({ length: 14 }, () => NONE));
  await rounds.run();
  const [first, second] = rounds.diskMeasuredMs;
  assert.equal(first, 0);
  assert.ok(second !== undefined && second >= 120_000, `${second}`);
});

Deno.test("Evictor doesn't evict a pod that has ended while the device was measured again", async () => {
  const rounds = new Rounds();
  const ended = rounds.addPod("u1", { storageLimitBytes: 0n });
  rounds.pressures.push(MEMORY, MEMORY, NONE);
  rounds.onPressureRead = (count) => {
    if (count === 2) ended.isActive = false;
  };
  await rounds.run();
  assert.equal(ended.evictCount, 0);
});

Deno.test("Evictor waits for a pod that was evicted meanwhile, and evicts no other when that is enough", async () => {
  const rounds = new Rounds();
  const other = rounds.addPod("u1", { storageLimitBytes: 0n });
  const largest = rounds.addPod("u2", { storageLimitBytes: 0n });
  other.record.spec.priority = 1;
  rounds.pressures.push(MEMORY, MEMORY, MEMORY, NONE, NONE);
  rounds.onPressureRead = (count) => {
    if (count > 2) return;
    other.isActive = count < 2;
    other.isEvictedAndHeld = count === 2;
  };
  rounds.onSleep = () => other.isEvictedAndHeld = false;
  await rounds.run();
  assert.deepEqual([other.evictCount, largest.evictCount], [0, 0]);
});

Deno.test("Evictor waits 30 s for a pod that can't be ended, once, and goes on with others", async () => {
  const rounds = new Rounds();
  const evictedMs: number[] = [];
  const pods = ["stuck", "second", "third"].map((uid) => {
    const pod = rounds.addPod(uid, {
      storageLimitBytes: 0n,
      onEvicted: () => {
        evictedMs.push(rounds.nowMs);
        pod.isActive = false;
        pod.isEvictedAndHeld = uid === "stuck";
      },
    });
    return pod;
  });
  rounds.pressures.push(...Array.from({ length: 12 }, () => MEMORY), NONE);
  await rounds.run();
  assert.deepEqual(pods.map(({ evictCount }) => evictCount), [1, 1, 1]);
  assert.deepEqual(evictedMs, [0, 30_000, 30_000]);
});

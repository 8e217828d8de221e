// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { DockerHttpClient } from "../../../lib/agent/docker/mod.ts";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import { DEFAULT_EVICTION } from "../../../lib/shared/config/mod.ts";
import { DockerDeviceReader } from "../../../lib/agent/runtime/mod.ts";
import { VirtualClock } from "../../shared/session/_support/virtual_clock.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";

const { signal } = new AbortController();
/** No threshold of disks: those of this machine may be short. */
const NO_DISKS = {
  ...DEFAULT_EVICTION.hard,
  "nodefs.available": { share: 0 },
  "nodefs.inodesFree": { share: 0 },
  "imagefs.available": { share: 0 },
  "imagefs.inodesFree": { share: 0 },
};

Deno.test("DockerDeviceReader.readFacts() returns the machine and a false RuntimeReady without an engine", async () => {
  await using client = new DockerHttpClient({
    host: "unix:///absent/docker.sock",
  });
  const reader = new DockerDeviceReader({
    client,
    machine: new LocalMachine(),
    containers: {
      readStats: () => Promise.reject(new Error("the engine is away")),
    },
    stateDir: "/",
    log: SILENT_LOGGER,
  });
  const facts = await reader.readFacts(signal);
  assert.equal(facts.hostname, Deno.hostname());
  assert.ok(facts.cpuMillis >= 1_000 && facts.storageBytes > 0n);
  assert.deepEqual(facts.conditions.map(({ type }) => type), [
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "RuntimeReady",
  ]);
  const ready = facts.conditions.at(-1);
  assert.equal(ready?.status, false);
  assert.equal(ready?.reason, "RuntimeUnavailable");
  assert.match(ready?.message ?? "", /"unix:\/\/\/absent\/docker.sock"/);
  const stats = await reader.readStats(signal);
  assert.deepEqual(stats.containers, []);
  assert.ok(stats.memoryWorkingSetBytes > 0n && stats.cpuTotalNanos > 0n);
  await assert.rejects(
    reader.readFacts(AbortSignal.abort(new Error("aborted"))),
    /aborted/,
  );
});

for (const MemoryLimit of [true, false, undefined]) {
  Deno.test(`DockerDeviceReader.readPressure() reports whether the memory of pods is counted when MemoryLimit is ${MemoryLimit}`, async () => {
    const reader = new DockerDeviceReader({
      client: new FakeDockerClient({
        respond: () => ({ DockerRootDir: "/", MemoryLimit }),
      }),
      machine: new LocalMachine(),
      containers: { readStats: () => Promise.resolve([]) },
      stateDir: "/",
      log: SILENT_LOGGER,
      eviction: {
        hard: { ...DEFAULT_EVICTION.hard, "memory.available": { share: 1 } },
        pressureTransitionPeriodMs: 60_000,
      },
    });
    const { countsPodMemory } = await reader.readPressure(signal);
    assert.equal(countsPodMemory, MemoryLimit !== false);
    const { conditions } = await reader.readFacts(signal);
    assert.equal(
      conditions[0]?.message.includes("memory cgroup is off"),
      MemoryLimit === false,
    );
  });
}

Deno.test("DockerDeviceReader.readPressure() measures with the thresholds of agent.yaml, and sets the conditions of the facts", async () => {
  await using client = new DockerHttpClient({
    host: "unix:///absent/docker.sock",
  });
  const eviction = {
    hard: { ...NO_DISKS, "memory.available": { share: 1 } },
    pressureTransitionPeriodMs: 60_000,
  };
  const reader = new DockerDeviceReader({
    client,
    machine: new LocalMachine(),
    containers: { readStats: () => Promise.resolve([]) },
    stateDir: "/",
    log: SILENT_LOGGER,
    eviction,
  });
  const pressure = await reader.readPressure(signal);
  assert.equal(pressure.exceeded[0]?.signal, "memory.available");
  assert.equal(pressure.conditions[0], "MemoryPressure");
  assert.equal(pressure.hasOneDisk, true);
  // It lasts for the transition period.
  eviction.hard["memory.available"] = { share: 0 };
  assert.equal((await reader.readPressure(signal)).exceeded.length, 0);
  const { conditions: [memory] } = await reader.readFacts(signal);
  assert.equal(memory?.type, "MemoryPressure");
  assert.equal(memory?.status, true);
});

Deno.test("DockerDeviceReader.restore() keeps conditions across a restart, and writes changes only", async () => {
  const clock = new VirtualClock();
  const hard = { ...NO_DISKS, "memory.available": { share: 1 } };
  const saved: string[] = [];
  const start = async () => {
    const reader = new DockerDeviceReader({
      client: new FakeDockerClient({ respond: () => ({}) }),
      machine: new LocalMachine(),
      containers: { readStats: () => Promise.resolve([]) },
      stateDir: "/",
      eviction: { hard, pressureTransitionPeriodMs: 60_000 },
      clock,
      log: SILENT_LOGGER,
    });
    await reader.restore({
      load: () => Promise.resolve(saved.at(-1)?.split(" ") ?? []),
      save: (types) => {
        saved.push(types.join(" "));
        return Promise.reject(new AranyaError("internal", "disk full"));
      },
    });
    return async () => (await reader.readPressure(signal)).conditions.join();
  };
  const before = await start();
  assert.equal(await before(), "MemoryPressure");
  assert.equal(await before(), "MemoryPressure");
  hard["memory.available"] = { share: 0 };
  const after = await start();
  assert.equal(await after(), "MemoryPressure");
  await clock.pass(59_000);
  assert.equal(await after(), "MemoryPressure");
  assert.deepEqual(saved, ["MemoryPressure"]);
  await clock.pass(1_000);
  assert.equal(await after(), "");
  assert.equal(await after(), "");
  assert.deepEqual(saved, ["MemoryPressure", ""]);
});

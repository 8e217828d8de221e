// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { DockerHttpClient } from "../../../lib/agent/docker/mod.ts";
import { LocalMachine } from "../../../lib/agent/host/mod.ts";
import {
  createDeviceReader,
  toFigures,
} from "../../../lib/agent/runtime/device_reader.ts";

const { signal } = new AbortController();

Deno.test("a device reader without an engine tells of the machine and says so", async () => {
  await using client = new DockerHttpClient({
    host: "unix:///absent/docker.sock",
  });
  const reader = createDeviceReader({
    client,
    machine: new LocalMachine(),
    images: {
      ensureImage: () => Promise.reject(new Error("away")),
      stats: () => Promise.reject(new Error("away")),
    },
    stateDir: "/var/lib/aranya/dev",
  });
  const facts = await reader.facts(signal);
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
  assert.match(ready?.message ?? "", /"unix:\/\/\/absent\/docker.sock"/);
  const stats = await reader.stats(signal);
  assert.deepEqual(stats.containers, []);
  assert.ok(stats.memoryWorkingSetBytes > 0n && stats.cpuTotalNanos > 0n);
  await assert.rejects(
    reader.facts(AbortSignal.abort(new Error("left"))),
    /left/,
  );
});

Deno.test("toFigures() counts the working set on cgroup v1 and v2", () => {
  const read = (stats: Record<string, number>) =>
    toFigures({
      cpu_stats: { cpu_usage: { total_usage: 7 } },
      memory_stats: { usage: 100, stats },
    });
  assert.deepEqual(read({ total_inactive_file: 30, total_rss: 5 }), {
    cpuTotalNanos: 7n,
    memoryWorkingSetBytes: 70n,
    memoryRssBytes: 5n,
  });
  assert.deepEqual(read({ inactive_file: 150, anon: 6 }), {
    cpuTotalNanos: 7n,
    memoryWorkingSetBytes: 0n,
    memoryRssBytes: 6n,
  });
});

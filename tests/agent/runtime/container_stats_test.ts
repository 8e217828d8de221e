// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  readPodStats,
  toUsage,
} from "../../../lib/agent/runtime/container_stats.ts";
import type {
  RuntimeContainer,
  RuntimePod,
} from "../../../lib/agent/runtime/mod.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";

const container = (
  name: string,
  state: RuntimeContainer["state"],
): RuntimeContainer => ({
  id: `id-${name}`,
  name,
  kind: "app",
  attempt: 0,
  image: "img",
  imageId: "sha256:1",
  state,
  startedUnixMs: 5,
  finishedUnixMs: 0,
  exitCode: 0,
  oomKilled: false,
  error: "",
  labels: {},
});

const pod = (
  uid: string,
  podIps: string[],
  containers: RuntimeContainer[],
): RuntimePod => ({
  uid,
  namespace: "ns",
  name: uid,
  sandbox: { id: `sandbox-${uid}`, running: true, podIps },
  containers,
});

Deno.test("readPodStats() returns running containers with the traffic of their infra container", async () => {
  const client = new FakeDockerClient({
    respond({ path }) {
      if (path.includes("id-ended")) throw new Error("no such container");
      return path.includes("sandbox")
        ? { networks: { eth0: { rx_bytes: 3, tx_bytes: 4 } } }
        : { memory_stats: { usage: 100, stats: { anon: 6 } } };
    },
  });
  const stats = await readPodStats(client, [
    pod("u1", ["10.0.0.2"], [
      container("app", "running"),
      container("ended", "running"),
      container("old", "exited"),
    ]),
    pod("u2", [], [container("host", "running")]),
    pod("u3", ["10.0.0.3"], [container("done", "exited")]),
  ]);
  assert.deepEqual(
    stats.map((one) => [one.podUid, one.container, one.networkRxBytes]),
    [["u1", "app", 3n], ["u2", "host", 0n]],
  );
  assert.equal(stats[0]?.networkTxBytes, 4n);
  assert.equal(stats[0]?.startedUnixMs, 5n);
  assert.equal(stats[0]?.memoryWorkingSetBytes, 100n);
  assert.deepEqual(client.calls.sort(), [
    "GET /containers/id-app/stats",
    "GET /containers/id-ended/stats",
    "GET /containers/id-host/stats",
    "GET /containers/sandbox-u1/stats",
  ]);
});

Deno.test("toUsage() computes the working set on cgroup v1 and v2", () => {
  const read = (stats: Record<string, number>) =>
    toUsage({
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

// SPDX-License-Identifier: Apache-2.0
/** Resource usage of pods' containers on a Docker engine. */
import {
  type ContainerStats,
  ContainerStatsSchema,
  create,
} from "../../shared/wire/mod.ts";
import {
  type DockerClient,
  readContainerStats,
  type StatsResponse,
} from "../docker/mod.ts";
import type { RuntimePod } from "./runtime.ts";

/** Pods whose containers are read at the same time. */
const CONCURRENCY = 4;

/** Returns the usage of every running container, without those that end meanwhile. */
export async function readPodStats(
  client: DockerClient,
  pods: RuntimePod[],
): Promise<ContainerStats[]> {
  const results: ContainerStats[] = [];
  const active = pods.filter(({ containers }) =>
    containers.some(({ state }) => state === "running")
  );
  for (let start = 0; start < active.length; start += CONCURRENCY) {
    const batch = active.slice(start, start + CONCURRENCY);
    const stats = await Promise.all(batch.map((pod) => readOne(client, pod)));
    results.push(...stats.flat());
  }
  return results;
}

/** Returns the usage of the running containers of one pod. */
async function readOne(
  client: DockerClient,
  { uid, sandbox, containers }: RuntimePod,
): Promise<ContainerStats[]> {
  const read = (id: string) =>
    readContainerStats(client, { id }).catch(() => undefined);
  const running = containers.filter(({ state }) => state === "running");
  // Traffic is counted per network namespace, which belongs to the infra container.
  const sandboxStats = sandbox?.running && sandbox.podIps.length > 0
    ? read(sandbox.id)
    : undefined;
  const stats = await Promise.all(running.map(({ id }) => read(id)));
  const traffic = toTraffic(await sandboxStats);
  return running.flatMap(({ name, startedUnixMs }, index) => {
    const response = stats[index];
    if (response === undefined) return [];
    return [create(ContainerStatsSchema, {
      podUid: uid,
      container: name,
      startedUnixMs: BigInt(startedUnixMs),
      ...toUsage(response),
      ...traffic,
    })];
  });
}

/**
 * Returns CPU time and memory. As the kubelet counts it, the working set is the usage without the
 * inactive page cache; the names of the values differ between cgroup v1 and v2.
 */
export function toUsage({ cpu_stats, memory_stats }: StatsResponse): {
  cpuTotalNanos: bigint;
  memoryWorkingSetBytes: bigint;
  memoryRssBytes: bigint;
} {
  const memory = memory_stats?.stats ?? {};
  const inactive = memory["total_inactive_file"] ?? memory["inactive_file"] ??
    0;
  const usage = memory_stats?.usage ?? 0;
  return {
    cpuTotalNanos: BigInt(cpu_stats?.cpu_usage?.total_usage ?? 0),
    memoryWorkingSetBytes: BigInt(Math.max(0, usage - inactive)),
    memoryRssBytes: BigInt(memory["total_rss"] ?? memory["anon"] ?? 0),
  };
}

/** Returns the bytes of all network interfaces since the start; 0 when nothing was read. */
function toTraffic(stats: StatsResponse | undefined): {
  networkRxBytes: bigint;
  networkTxBytes: bigint;
} {
  const links = Object.values(stats?.networks ?? {});
  return {
    networkRxBytes: BigInt(links.reduce((sum, link) => sum + link.rx_bytes, 0)),
    networkTxBytes: BigInt(links.reduce((sum, link) => sum + link.tx_bytes, 0)),
  };
}

// SPDX-License-Identifier: Apache-2.0
/** A device's figures (Stats of the wire protocol) as the kubelet's Summary API shows them. */
import type {
  CpuStats,
  PodStats,
  StatsOfContainer,
  StatsSummary,
} from "../kubelet/mod.ts";
import type { ContainerStats, Stats } from "../../shared/wire/mod.ts";

/** Keeps the last reading of each counter, so that the next one gives a rate. */
export interface SummaryMaker {
  /** The summary of one reading. Pods that have no name any more are left out. */
  toSummary(stats: Stats): StatsSummary;
}

/** Options of {@linkcode createSummaryMaker}. */
export interface SummaryMakerOptions {
  nodeName: string;
  nameOfPod(uid: string): { namespace: string; name: string } | undefined;
}

interface Reading {
  timeMs: number;
  nanos: number;
}

const NODE = "";

/** Makes one; one per device. */
export function createSummaryMaker(options: SummaryMakerOptions): SummaryMaker {
  let last = new Map<string, Reading>();
  return {
    toSummary(stats) {
      const timeMs = Number(stats.timeUnixMs);
      const next = new Map<string, Reading>();
      const cpu = (key: string, total: bigint): CpuStats => {
        const reading = { timeMs, nanos: Number(total) };
        next.set(key, reading);
        return toCpu(reading, last.get(key));
      };
      const summary = {
        node: toNode(stats, { nodeName: options.nodeName, cpu }),
        pods: toPods(stats, { ...options, cpu }),
      };
      last = next;
      return summary;
    },
  };
}

type CpuReader = (key: string, total: bigint) => CpuStats;

function toNode(
  stats: Stats,
  { nodeName, cpu }: { nodeName: string; cpu: CpuReader },
): StatsSummary["node"] {
  const time = toTime(stats.timeUnixMs);
  const capacityBytes = Number(stats.storageCapacityBytes);
  const usedBytes = Number(stats.storageUsedBytes);
  return {
    nodeName,
    startTime: toTime(stats.bootTimeUnixMs),
    cpu: cpu(NODE, stats.cpuTotalNanos),
    memory: {
      time,
      availableBytes: Number(stats.memoryAvailableBytes),
      workingSetBytes: Number(stats.memoryWorkingSetBytes),
    },
    fs: {
      time,
      capacityBytes,
      usedBytes,
      availableBytes: Math.max(0, capacityBytes - usedBytes),
    },
  };
}

function toPods(
  stats: Stats,
  { nameOfPod, cpu }: SummaryMakerOptions & { cpu: CpuReader },
): PodStats[] {
  const byPod = Map.groupBy(stats.containers, ({ podUid }) => podUid);
  const pods: PodStats[] = [];
  for (const [uid, members] of byPod) {
    const named = nameOfPod(uid);
    if (!named) continue;
    const { name, namespace } = named;
    const time = toTime(stats.timeUnixMs);
    const containers = members.map((one) =>
      toContainer(one, {
        time,
        cpu: cpu(`${uid}/${one.container}`, one.cpuTotalNanos),
      })
    );
    const [first] = members;
    pods.push({
      podRef: { name, namespace, uid },
      startTime: toTime(
        members.reduce(
          (least, one) => one.startedUnixMs < least ? one.startedUnixMs : least,
          first?.startedUnixMs ?? 0n,
        ),
      ),
      containers,
      ...sumOf(containers, time),
      ...first && {
        network: {
          time,
          rxBytes: Number(first.networkRxBytes),
          txBytes: Number(first.networkTxBytes),
        },
      },
    });
  }
  return pods;
}

function toContainer(
  stats: ContainerStats,
  { time, cpu }: { time: string; cpu: CpuStats },
): StatsOfContainer {
  return {
    name: stats.container,
    startTime: toTime(stats.startedUnixMs),
    cpu,
    memory: {
      time,
      workingSetBytes: Number(stats.memoryWorkingSetBytes),
      rssBytes: Number(stats.memoryRssBytes),
    },
  };
}

/** A pod uses what its containers use. */
function sumOf(
  containers: StatsOfContainer[],
  time: string,
): Required<Pick<PodStats, "cpu" | "memory">> {
  const sum = (valueOf: (one: StatsOfContainer) => number | undefined) =>
    containers.reduce((total, one) => total + (valueOf(one) ?? 0), 0);
  const rates = containers.every(({ cpu }) =>
    cpu?.usageNanoCores !== undefined
  );
  return {
    cpu: {
      time,
      usageCoreNanoSeconds: sum(({ cpu }) => cpu?.usageCoreNanoSeconds),
      ...rates && { usageNanoCores: sum(({ cpu }) => cpu?.usageNanoCores) },
    },
    memory: {
      time,
      workingSetBytes: sum(({ memory }) => memory?.workingSetBytes),
      rssBytes: sum(({ memory }) => memory?.rssBytes),
    },
  };
}

/** A counter that fell, or a clock that went back, gives no rate. */
function toCpu(now: Reading, before: Reading | undefined): CpuStats {
  const passedMs = now.timeMs - (before?.timeMs ?? now.timeMs);
  const used = now.nanos - (before?.nanos ?? now.nanos);
  return {
    time: new Date(now.timeMs).toISOString(),
    usageCoreNanoSeconds: now.nanos,
    ...passedMs > 0 && used >= 0 && {
      usageNanoCores: Math.round(used / passedMs * 1000),
    },
  };
}

function toTime(unixMs: bigint): string {
  return new Date(Number(unixMs)).toISOString();
}

// SPDX-License-Identifier: Apache-2.0
/** A device's statistics (wire message Stats) in the form of the kubelet's Summary API. */
import type {
  ContainerSummary,
  CpuStats,
  PodStats,
  StatsSummary,
} from "../kubelet/mod.ts";
import type { PodDirectory } from "../pods/mod.ts";
import type { ContainerStats, Stats } from "../../shared/wire/mod.ts";

/** Options of {@linkcode SummaryMaker}. */
export interface SummaryMakerOptions {
  /** Name of the Node. */
  nodeName: string;
  pods: Pick<PodDirectory, "nameOf">;
}

/** A CPU time counter at one moment. */
interface CpuReading {
  timeMs: number;
  nanos: number;
}

/** Key of the whole device among the CPU counters. */
const NODE = "";

/** Returns the CPU statistics of a counter, with its rate since the reading before. */
type CpuReader = (key: string, totalNanos: bigint) => CpuStats;

/**
 * Makes summaries of one device's statistics. Keeps the last reading of each CPU counter, from
 * which the next one gives a rate.
 */
export class SummaryMaker {
  readonly #options: SummaryMakerOptions;
  #last = new Map<string, CpuReading>();

  constructor(options: SummaryMakerOptions) {
    this.#options = options;
  }

  /** Returns the summary of one reading. Pods that the operator no longer knows are left out. */
  summarize(stats: Stats): StatsSummary {
    const timeMs = Number(stats.timeUnixMs);
    const next = new Map<string, CpuReading>();
    const cpu: CpuReader = (key, totalNanos) => {
      const reading = { timeMs, nanos: Number(totalNanos) };
      next.set(key, reading);
      return toCpu(reading, this.#last.get(key));
    };
    const { nodeName, pods } = this.#options;
    const summary = {
      node: toNode(stats, { nodeName, cpu }),
      pods: toPods(stats, { directory: pods, cpu }),
    };
    this.#last = next;
    return summary;
  }
}

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
  { directory, cpu }: {
    directory: Pick<PodDirectory, "nameOf">;
    cpu: CpuReader;
  },
): PodStats[] {
  const byPod = Map.groupBy(stats.containers, ({ podUid }) => podUid);
  const pods: PodStats[] = [];
  for (const [uid, members] of byPod) {
    const named = directory.nameOf(uid);
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
): ContainerSummary {
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
  containers: ContainerSummary[],
  time: string,
): Required<Pick<PodStats, "cpu" | "memory">> {
  const sum = (valueOf: (one: ContainerSummary) => number | undefined) =>
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
function toCpu(now: CpuReading, before: CpuReading | undefined): CpuStats {
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

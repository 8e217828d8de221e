// SPDX-License-Identifier: Apache-2.0
/** The device's report about itself, and the figures for `kubectl top`. */
import {
  asAranyaError,
  type Clock,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type DockerClient,
  readContainerStats,
  readSystemInfo,
  type StatsResponse,
  type SystemInfo,
} from "../docker/mod.ts";
import { type HostMachine, PressureMonitor } from "../host/mod.ts";
import {
  type Condition,
  ConditionSchema,
  type ContainerStats,
  ContainerStatsSchema,
  create,
  type Facts,
  FactsSchema,
  type Stats,
  StatsSchema,
} from "../../shared/wire/mod.ts";
import type { ImageRuntime, RuntimePod } from "./runtime.ts";

const READ_AT_ONCE = 4;
const MILLIS_PER_CPU = 1_000;

/** The report about the device, but for what only the agent knows. */
export type DeviceFacts = Omit<Facts, "agentVersion" | "host">;

/** The device's own figures. */
export interface DeviceReader {
  /** What the Node shows. An engine that is away is a condition (RuntimeReady) in it. */
  facts(signal: AbortSignal): Promise<DeviceFacts>;
  /** What `kubectl top` shows, containers included; those are missing when the engine is away. */
  stats(signal: AbortSignal): Promise<Stats>;
}

/** Options of {@linkcode createDeviceReader}. */
export interface DeviceReaderOptions {
  client: DockerClient;
  machine: HostMachine;
  images: ImageRuntime;
  /** Its file system counts for DiskPressure beside the engine's. */
  stateDir: string;
  clock?: Clock;
}

/** Makes the reader; it remembers pressures for their transition time. */
export function createDeviceReader(options: DeviceReaderOptions): DeviceReader {
  const { client, machine, images, stateDir, clock = SYSTEM_CLOCK } = options;
  const pressureMonitor = new PressureMonitor();
  // Kept while the engine is away: what it was does not change by that.
  let engine: SystemInfo | undefined;
  return {
    async facts(signal) {
      const runtime = await readSystemInfo(client, signal).then(
        (info) => {
          engine = info;
          return toRuntimeCondition(undefined);
        },
        (error) => {
          signal.throwIfAborted();
          return toRuntimeCondition(error);
        },
      );
      const root = engine?.DockerRootDir;
      const host = await machine.readFacts({
        paths: root === undefined ? [stateDir] : [stateDir, root],
        signal,
      });
      const [stateDisk, engineDisk] = host.disks;
      const pressures = pressureMonitor.update({
        host,
        stateDisk,
        engineDisk,
        nowMs: clock.monotonicMs(),
      });
      return create(FactsSchema, {
        os: host.os,
        arch: host.arch,
        kernelVersion: host.kernelVersion,
        osImage: host.osImage,
        machineId: host.machineId,
        bootId: host.bootId,
        hostname: host.hostname,
        addresses: host.addresses,
        cpuMillis: host.cpuCount * MILLIS_PER_CPU,
        memoryBytes: BigInt(host.memoryBytes),
        storageBytes: BigInt((engineDisk ?? stateDisk)?.capacityBytes ?? 0),
        runtimeVersion: engine ? `docker://${engine.ServerVersion}` : "",
        runtimeRoot: root ?? "",
        conditions: [
          ...pressures.map((one) => create(ConditionSchema, one)),
          runtime,
        ],
      });
    },
    async stats(signal) {
      const root = engine?.DockerRootDir;
      const [host, containers] = await Promise.all([
        machine.readFacts({ paths: [root ?? stateDir], signal }),
        images.stats().catch(() => []),
      ]);
      const disk = host.disks[0];
      return create(StatsSchema, {
        timeUnixMs: BigInt(clock.wallMs()),
        cpuTotalNanos: BigInt(host.cpuTotalNanos),
        memoryWorkingSetBytes: BigInt(
          host.memoryBytes - host.memoryAvailableBytes,
        ),
        memoryAvailableBytes: BigInt(host.memoryAvailableBytes),
        storageUsedBytes: BigInt(disk?.usedBytes ?? 0),
        storageCapacityBytes: BigInt(disk?.capacityBytes ?? 0),
        bootTimeUnixMs: BigInt(Math.round(host.bootTimeUnixMs)),
        containers,
      });
    },
  };
}

function toRuntimeCondition(error: unknown): Condition {
  return create(
    ConditionSchema,
    error === undefined
      ? {
        type: "RuntimeReady",
        status: true,
        reason: "RuntimeReady",
        message: "the container engine answers",
      }
      : {
        type: "RuntimeReady",
        status: false,
        reason: "RuntimeUnavailable",
        message: asAranyaError(error, "Cannot ask Docker").message,
      },
  );
}

/** Figures of the containers that run; one that ends meanwhile is left out. */
export async function readContainerFigures(
  client: DockerClient,
  pods: RuntimePod[],
): Promise<ContainerStats[]> {
  const read = (id: string) =>
    readContainerStats(client, { id }).catch(() => undefined);
  const jobs = pods.flatMap((pod) => {
    const running = pod.containers.filter(({ state }) => state === "running");
    if (running.length === 0) return [];
    return [async () => {
      // Traffic is counted in the network namespace, which the infra container holds.
      const holder = pod.sandbox?.running && pod.sandbox.podIps.length > 0
        ? read(pod.sandbox.id)
        : Promise.resolve(undefined);
      const readings = await Promise.all(running.map(({ id }) => read(id)));
      const traffic = toTraffic(await holder);
      const figures = running.flatMap((container, index) => {
        const reading = readings[index];
        return reading === undefined ? [] : [create(ContainerStatsSchema, {
          podUid: pod.uid,
          container: container.name,
          startedUnixMs: BigInt(container.startedUnixMs),
          ...toFigures(reading),
          ...traffic,
        })];
      });
      return figures;
    }];
  });
  const results: ContainerStats[] = [];
  for (let at = 0; at < jobs.length; at += READ_AT_ONCE) {
    const batch = jobs.slice(at, at + READ_AT_ONCE).map((job) => job());
    results.push(...(await Promise.all(batch)).flat());
  }
  return results;
}

/** Working set = usage without the page cache that is not in use, as the kubelet counts; names differ between cgroup v1 and v2. */
export function toFigures(reading: StatsResponse): {
  cpuTotalNanos: bigint;
  memoryWorkingSetBytes: bigint;
  memoryRssBytes: bigint;
} {
  const memory = reading.memory_stats ?? {};
  const stats = memory.stats ?? {};
  const idleCache = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  const usage = memory.usage ?? 0;
  return {
    cpuTotalNanos: BigInt(reading.cpu_stats?.cpu_usage?.total_usage ?? 0),
    memoryWorkingSetBytes: BigInt(Math.max(0, usage - idleCache)),
    memoryRssBytes: BigInt(stats["total_rss"] ?? stats["anon"] ?? 0),
  };
}

function toTraffic(reading: StatsResponse | undefined): {
  networkRxBytes: bigint;
  networkTxBytes: bigint;
} {
  const links = Object.values(reading?.networks ?? {});
  return {
    networkRxBytes: BigInt(links.reduce((sum, link) => sum + link.rx_bytes, 0)),
    networkTxBytes: BigInt(links.reduce((sum, link) => sum + link.tx_bytes, 0)),
  };
}

// SPDX-License-Identifier: Apache-2.0
/** Facts and resource usage of the device, as the operator shows them on the Node. */
import {
  asAranyaError,
  type Clock,
  SYSTEM_CLOCK,
} from "../../shared/base/mod.ts";
import {
  type Condition,
  ConditionSchema,
  create,
  type Facts,
  FactsSchema,
  type Stats,
  StatsSchema,
} from "../../shared/wire/mod.ts";
import {
  type DockerClient,
  readSystemInfo,
  type SystemInfo,
} from "../docker/mod.ts";
import {
  DEFAULT_EVICTION,
  type EvictionSettings,
} from "../../shared/config/mod.ts";
import {
  type DiskUsage,
  type ExceededThreshold,
  type HostMachine,
  PressureMonitor,
} from "../host/mod.ts";
import type { StatsRuntime } from "./runtime.ts";

const MILLIS_PER_CPU = 1_000;

/** Message Facts without the fields that only the agent process knows. */
export type DeviceFacts = Omit<Facts, "agentVersion" | "host" | "pods">;

/** Pressure of a device at one moment. */
export interface DevicePressure {
  /** Thresholds that are exceeded now, memory first. */
  exceeded: readonly ExceededThreshold[];
  /** Types of the conditions that are true now, or were a short time ago. */
  conditions: readonly string[];
  /** Whether images, volumes and the agent's state are on one file system. */
  hasOneDisk: boolean;
  /** Whether the kernel counts the memory of each container: without that no pod is the cause. */
  countsPodMemory: boolean;
}

/** Reads the device's facts and resource usage. */
export interface DeviceReader {
  /**
   * Returns what the Node shows. An engine that can't be reached is no error but a false condition
   * RuntimeReady.
   */
  readFacts(signal: AbortSignal): Promise<DeviceFacts>;
  /**
   * Measures memory and disks, which costs little. The conditions of the next facts are those of
   * the last measurement.
   */
  readPressure(signal: AbortSignal): Promise<DevicePressure>;
  /** Returns what `kubectl top` shows; without containers while the engine can't be reached. */
  readStats(signal: AbortSignal): Promise<Stats>;
}

/** Options of {@linkcode DockerDeviceReader}. */
export interface DockerDeviceReaderOptions {
  client: DockerClient;
  machine: HostMachine;
  /** Containers in the statistics. */
  containers: Pick<StatsRuntime, "readStats">;
  /** Its file system counts for DiskPressure beside the engine's. */
  stateDir: string;
  /** What counts as pressure. @default the kubelet's */
  eviction?: EvictionSettings;
  clock?: Clock;
}

/**
 * Reads a device with a Docker engine. It keeps pressure conditions for their transition period.
 */
export class DockerDeviceReader implements DeviceReader {
  readonly #client: DockerClient;
  readonly #machine: HostMachine;
  readonly #containers: Pick<StatsRuntime, "readStats">;
  readonly #stateDir: string;
  readonly #clock: Clock;
  readonly #pressureMonitor: PressureMonitor;
  /** Last known; kept while the engine can't be reached. */
  #engine: SystemInfo | undefined;

  constructor(options: DockerDeviceReaderOptions) {
    this.#client = options.client;
    this.#machine = options.machine;
    this.#containers = options.containers;
    this.#stateDir = options.stateDir;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#pressureMonitor = new PressureMonitor(
      options.eviction ?? DEFAULT_EVICTION,
    );
  }

  async readFacts(signal: AbortSignal): Promise<DeviceFacts> {
    const runtimeCondition = await this.#readRuntimeCondition(signal);
    // Where images and containers are stored: the kubelet's imagefs.
    const runtimeRoot = this.#engine?.DockerRootDir;
    const host = await this.#machine.readFacts({
      paths: this.#listPaths(),
      signal,
    });
    const [stateDisk, engineDisk] = host.disks;
    this.#pressureMonitor.update({
      host,
      stateDisk,
      engineDisk,
      countsPodMemory: this.#countsPodMemory,
      nowMs: this.#clock.monotonicMs(),
    });
    const pressureConditions = this.#pressureMonitor.conditions.map((one) =>
      create(ConditionSchema, one)
    );
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
      runtimeVersion: this.#engine
        ? `docker://${this.#engine.ServerVersion}`
        : "",
      runtimeRoot: runtimeRoot ?? "",
      conditions: [...pressureConditions, runtimeCondition],
    });
  }

  async readPressure(signal: AbortSignal): Promise<DevicePressure> {
    // Known after the first reading of facts.
    this.#engine ??= await readSystemInfo(this.#client, signal).catch(() =>
      undefined
    );
    const host = await this.#machine.readUsage(this.#listPaths());
    signal.throwIfAborted();
    const [stateDisk, engineDisk] = host.disks;
    const exceeded = this.#pressureMonitor.update({
      host,
      stateDisk,
      engineDisk,
      countsPodMemory: this.#countsPodMemory,
      nowMs: this.#clock.monotonicMs(),
    });
    return {
      exceeded,
      conditions: this.#pressureMonitor.conditions.filter(({ status }) =>
        status
      ).map(({ type }) => type),
      hasOneDisk: isOneDisk(stateDisk, engineDisk),
      countsPodMemory: this.#countsPodMemory,
    };
  }

  get #countsPodMemory(): boolean {
    return this.#engine?.MemoryLimit !== false;
  }

  /** File systems to read: that of the state, and where images and containers are stored. */
  #listPaths(): string[] {
    const root = this.#engine?.DockerRootDir;
    return [this.#stateDir, ...root ? [root] : []];
  }

  async readStats(signal: AbortSignal): Promise<Stats> {
    const [host, containers] = await Promise.all([
      this.#machine.readFacts({
        paths: this.#listPaths(),
        signal,
      }),
      this.#containers.readStats().catch(() => []),
    ]);
    const [stateDisk, engineDisk] = host.disks;
    const disk = engineDisk ?? stateDisk;
    return create(StatsSchema, {
      timeUnixMs: BigInt(this.#clock.wallMs()),
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
  }

  /** Reads the engine, and returns the condition RuntimeReady. */
  async #readRuntimeCondition(signal: AbortSignal): Promise<Condition> {
    try {
      this.#engine = await readSystemInfo(this.#client, signal);
    } catch (error) {
      signal.throwIfAborted();
      return create(ConditionSchema, {
        type: "RuntimeReady",
        status: false,
        reason: "RuntimeUnavailable",
        message: asAranyaError(error, "Cannot read container engine").message,
      });
    }
    return create(ConditionSchema, {
      type: "RuntimeReady",
      status: true,
      reason: "RuntimeReady",
      message: "the container engine is available",
    });
  }
}

function isOneDisk(
  left: DiskUsage | undefined,
  right: DiskUsage | undefined,
): boolean {
  return !left || !right || left.deviceId === right.deviceId;
}

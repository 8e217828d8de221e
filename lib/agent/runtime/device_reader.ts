// SPDX-License-Identifier: Apache-2.0
/** Facts and resource usage of the device, as the operator shows them on the Node. */
import {
  asAranyaError,
  type Clock,
  type Logger,
  Sequencer,
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
   * Reads which conditions of pressure were true before this start, which last for their transition
   * period from now on, and persists changes. Call it before anything else. Never rejects: without
   * the record no condition lasts.
   */
  restore(record: PressureRecord): Promise<void>;
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

/** The durable list of the conditions of pressure that are true. */
export interface PressureRecord {
  /** Returns the types that were saved last. @throws {AranyaError} when they can't be read */
  load(): Promise<readonly string[]>;
  /** Replaces the types. @throws {AranyaError} when they can't be written */
  save(types: readonly string[]): Promise<void>;
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
  log: Logger;
  clock?: Clock;
}

/**
 * Reads a device with a Docker engine. It keeps pressure conditions for their transition period,
 * also across restarts. Two small writes for each time of pressure, to spare flash storage.
 */
export class DockerDeviceReader implements DeviceReader {
  readonly #client: DockerClient;
  readonly #machine: HostMachine;
  readonly #containers: Pick<StatsRuntime, "readStats">;
  readonly #stateDir: string;
  readonly #clock: Clock;
  readonly #pressureMonitor: PressureMonitor;
  readonly #log: Logger;
  readonly #saves = new Sequencer();
  #record: PressureRecord | undefined;
  /** Types in the record, joined. */
  #recorded = "";
  /** Last known; kept while the engine can't be reached. */
  #engine: SystemInfo | undefined;

  constructor(options: DockerDeviceReaderOptions) {
    this.#client = options.client;
    this.#machine = options.machine;
    this.#containers = options.containers;
    this.#stateDir = options.stateDir;
    this.#log = options.log;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#pressureMonitor = new PressureMonitor(
      options.eviction ?? DEFAULT_EVICTION,
    );
  }

  async restore(record: PressureRecord): Promise<void> {
    this.#record = record;
    try {
      const types = await record.load();
      this.#recorded = types.join();
      const nowMs = this.#clock.monotonicMs();
      this.#pressureMonitor.restore(types, { nowMs });
    } catch (error) {
      this.#log.warn("conditions of pressure can't be read", { error });
    }
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
    await this.#saveConditions();
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
    await this.#saveConditions();
    return {
      exceeded,
      conditions: this.#listTrueConditions(),
      hasOneDisk: isOneDisk(stateDisk, engineDisk),
      countsPodMemory: this.#countsPodMemory,
    };
  }

  #listTrueConditions(): string[] {
    return this.#pressureMonitor.conditions.filter(({ status }) => status)
      .map(({ type }) => type);
  }

  /** Persists which conditions are true, once for each change: the disk may be full. */
  async #saveConditions(): Promise<void> {
    await this.#saves.run("", async () => {
      const types = this.#listTrueConditions();
      const joined = types.join();
      if (!this.#record || joined === this.#recorded) return;
      this.#recorded = joined;
      await this.#record.save(types).catch((error) =>
        this.#log.debug("conditions of pressure can't be written", { error })
      );
    });
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

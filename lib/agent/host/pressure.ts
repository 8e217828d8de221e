// SPDX-License-Identifier: Apache-2.0
/** Pressure of a machine: which thresholds are exceeded, and the conditions of its Node. */
import { defined } from "../../shared/base/mod.ts";
import type {
  EvictionQuantity,
  EvictionSettings,
  EvictionSignal,
} from "../../shared/config/mod.ts";
import type { DiskUsage, HostFacts, HostUsage } from "./facts.ts";

const MEBIBYTE = 1024 * 1024;
/** Messages name available memory in steps of this size, so that they seldom change. */
const MEMORY_STEP_MEBIBYTES = 16;
const MAX_THREAD_SHARE = 0.9;

/** One pressure condition of a Node. */
export interface PressureCondition {
  type: "MemoryPressure" | "DiskPressure" | "PIDPressure";
  status: boolean;
  reason: string;
  message: string;
}

/** A threshold below which a measured value is now. */
export interface ExceededThreshold {
  signal: EvictionSignal;
  /** Bytes or inodes. */
  thresholdCount: number;
  availableCount: number;
}

/** Measurements of one moment. */
export interface PressureInput {
  host: HostUsage & Partial<Pick<HostFacts, "threadCount" | "threadLimit">>;
  /** File system of the agent's state. */
  stateDisk: DiskUsage | undefined;
  /** File system of the engine's images. */
  engineDisk: DiskUsage | undefined;
  /** Monotonic time, in milliseconds. */
  nowMs: number;
}

/** How much there is of what a threshold is about, and how much of it is left. */
interface Supply {
  totalCount: number;
  availableCount: number;
}

const TYPES = ["MemoryPressure", "DiskPressure", "PIDPressure"] as const;
type PressureType = PressureCondition["type"];

const REASONS: Readonly<
  Record<PressureType, { present: string; absent: string }>
> = {
  MemoryPressure: {
    present: "KubeletHasInsufficientMemory",
    absent: "KubeletHasSufficientMemory",
  },
  DiskPressure: {
    present: "KubeletHasDiskPressure",
    absent: "KubeletHasNoDiskPressure",
  },
  PIDPressure: {
    present: "KubeletHasInsufficientPID",
    absent: "KubeletHasSufficientPID",
  },
};
/** Messages without pressure: the kubelet's texts. They don't change, and so cause no reports. */
const CLEAR_MESSAGES: Readonly<Record<PressureType, string>> = {
  MemoryPressure: "kubelet has sufficient memory available",
  DiskPressure: "kubelet has no disk pressure",
  PIDPressure: "kubelet has sufficient PID available",
};

/**
 * Judges measurements of one machine. A condition stays true for a while after the last measurement
 * with pressure, so that it does not flap.
 */
export class PressureMonitor {
  readonly #settings: EvictionSettings;
  readonly #pressures = new Map<
    PressureType,
    { lastMs: number; message: string }
  >();
  #nowMs = 0;

  constructor(settings: EvictionSettings) {
    this.#settings = settings;
  }

  /** Records measurements. Returns the thresholds that are exceeded, memory first. */
  update(input: PressureInput): ExceededThreshold[] {
    const { host } = input;
    this.#nowMs = input.nowMs;
    const exceeded = this.#findExceeded(input);
    if (exceeded.some(({ signal }) => signal === "memory.available")) {
      this.#record(
        "MemoryPressure",
        toMemoryMessage(host.memoryAvailableBytes),
      );
    }
    if (exceeded.some(({ signal }) => signal !== "memory.available")) {
      this.#record("DiskPressure", toDiskMessage(input));
    }
    const { threadCount = 0, threadLimit = 0 } = host;
    if (threadLimit > 0 && threadCount > threadLimit * MAX_THREAD_SHARE) {
      const message =
        `the number of threads is near its limit of ${threadLimit}`;
      this.#record("PIDPressure", message);
    }
    return exceeded;
  }

  /** The three conditions as of the last measurement. */
  get conditions(): PressureCondition[] {
    return TYPES.map((type) => {
      const last = this.#pressures.get(type);
      const status = last !== undefined &&
        this.#nowMs - last.lastMs < this.#settings.pressureTransitionPeriodMs;
      return status
        ? { type, status, reason: REASONS[type].present, message: last.message }
        : {
          type,
          status,
          reason: REASONS[type].absent,
          message: CLEAR_MESSAGES[type],
        };
    });
  }

  #record(type: PressureType, message: string): void {
    this.#pressures.set(type, { lastMs: this.#nowMs, message });
  }

  #findExceeded(
    { host, stateDisk, engineDisk }: PressureInput,
  ): ExceededThreshold[] {
    const supplies: Partial<Record<EvictionSignal, Supply>> = {
      "memory.available": {
        totalCount: host.memoryBytes,
        availableCount: host.memoryAvailableBytes,
      },
      ...defined({
        "nodefs.available": toSpace(stateDisk),
        "nodefs.inodesFree": toInodes(stateDisk),
        "imagefs.available": toSpace(engineDisk),
        "imagefs.inodesFree": toInodes(engineDisk),
      }),
    };
    return (Object.keys(this.#settings.hard) as EvictionSignal[]).flatMap(
      (signal) => {
        const supply = supplies[signal];
        // Some file systems count no inodes.
        if (!supply || supply.totalCount === 0) return [];
        const { totalCount, availableCount } = supply;
        const thresholdCount = toCount(this.#settings.hard[signal], totalCount);
        return availableCount < thresholdCount
          ? [{ signal, thresholdCount, availableCount }]
          : [];
      },
    );
  }
}

function toSpace(disk: DiskUsage | undefined): Supply | undefined {
  return disk && {
    totalCount: disk.capacityBytes,
    availableCount: disk.availableBytes,
  };
}

function toInodes(disk: DiskUsage | undefined): Supply | undefined {
  return disk && {
    totalCount: disk.inodeCount,
    availableCount: disk.freeInodeCount,
  };
}

function toCount(
  { count = Infinity, share = Infinity }: EvictionQuantity,
  totalCount: number,
): number {
  return Math.floor(Math.min(count, totalCount * share));
}

function toMemoryMessage(availableBytes: number): string {
  const steps = Math.floor(availableBytes / MEBIBYTE / MEMORY_STEP_MEBIBYTES);
  return `less than ${
    (steps + 1) * MEMORY_STEP_MEBIBYTES
  } MiB of memory are available`;
}

function toDiskMessage({ stateDisk, engineDisk }: PressureInput): string {
  const describe = (name: string, disk: DiskUsage | undefined) => {
    if (!disk) return `the file system of ${name} is unknown`;
    const share = disk.availableBytes / Math.max(1, disk.capacityBytes);
    return `the file system of ${name} has ${Math.floor(100 * share)} % free`;
  };
  return `${describe("the agent's state", stateDisk)}, ${
    describe("the engine", engineDisk)
  }`;
}

// SPDX-License-Identifier: Apache-2.0
/** Pressure of a machine: which thresholds are exceeded, and the conditions of its Node. */
import { defined, MEBIBYTE } from "../../shared/base/mod.ts";
import type {
  EvictionQuantity,
  EvictionSettings,
  EvictionSignal,
} from "../../shared/config/mod.ts";
import type { DiskUsage, HostFacts, HostUsage } from "./facts.ts";

/** Messages name available memory in steps of this size, so that they seldom change. */
const MEMORY_STEP_MEBIBYTES = 16;
const MAX_THREAD_SHARE = 0.9;

/** What each threshold of a disk is about, for messages. */
const DISK_TEXTS: Readonly<
  Record<Exclude<EvictionSignal, "memory.available">, string>
> = {
  "nodefs.available": "space on the agent's file system (nodefs) is short",
  "nodefs.inodesFree": "inodes of the agent's file system (nodefs) are short",
  "imagefs.available": "space on the engine's file system (imagefs) is short",
  "imagefs.inodesFree":
    "inodes of the engine's file system (imagefs) are short",
};

/** One pressure condition of a Node. */
export interface PressureCondition {
  type: "MemoryPressure" | "DiskPressure" | "PIDPressure";
  status: boolean;
  reason: string;
  message: string;
}

/** A threshold that a measured value is below now. */
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
  /** Whether the memory of each pod is known. @default true */
  countsPodMemory?: boolean;
  /** Monotonic time, in milliseconds. */
  nowMs: number;
}

/** How much there is of what a threshold is about, and how much of it is left. */
interface Supply {
  totalCount: number;
  availableCount: number;
}

type Supplies = Partial<Record<EvictionSignal, Supply>>;

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
 * Evaluates measurements of one machine. A condition stays true for a while after the last
 * measurement with pressure, so that it does not flap.
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

  /** Keeps conditions that were true before a restart as if they had just been measured. */
  restore(types: readonly string[], { nowMs }: { nowMs: number }): void {
    this.#nowMs = nowMs;
    for (const type of TYPES.filter((one) => types.includes(one))) {
      this.#record(type, "was true before the agent was restarted");
    }
  }

  /** Records measurements. Returns the thresholds that are exceeded, memory first. */
  update(input: PressureInput): ExceededThreshold[] {
    const { host } = input;
    this.#nowMs = input.nowMs;
    const supplies = toSupplies(input);
    const exceeded = this.#findExceeded(supplies);
    if (exceeded.some(({ signal }) => signal === "memory.available")) {
      this.#record(
        "MemoryPressure",
        toMemoryMessage(input),
      );
    }
    const diskMessage = this.#toDiskMessage(exceeded, supplies);
    if (diskMessage !== "") this.#record("DiskPressure", diskMessage);
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

  #findExceeded(supplies: Supplies): ExceededThreshold[] {
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

  /** Returns what is short on the disks; empty when nothing is. */
  #toDiskMessage(
    exceeded: readonly ExceededThreshold[],
    supplies: Supplies,
  ): string {
    return exceeded.flatMap(({ signal, thresholdCount, availableCount }) => {
      if (signal === "memory.available") return [];
      const { totalCount = 1 } = supplies[signal] ?? {};
      const { share } = this.#settings.hard[signal];
      const expected = share !== undefined
        ? `${Number((100 * share).toFixed(2))} %`
        : signal.endsWith("inodesFree")
        ? String(thresholdCount)
        : `${Math.ceil(thresholdCount / MEBIBYTE)} MiB`;
      // Whole percents, so that the message seldom changes.
      const percent = Math.floor(100 * availableCount / totalCount);
      return [
        `${
          DISK_TEXTS[signal]
        }: ${percent} % free, expected at least ${expected}`,
      ];
    }).join("; ");
  }
}

function toSupplies(
  { host, stateDisk, engineDisk }: PressureInput,
): Supplies {
  return {
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

function toMemoryMessage(
  { host, countsPodMemory = true }: PressureInput,
): string {
  const availableMebibytes = host.memoryAvailableBytes / MEBIBYTE;
  const steps = Math.floor(availableMebibytes / MEMORY_STEP_MEBIBYTES);
  const shortage = `less than ${
    (steps + 1) * MEMORY_STEP_MEBIBYTES
  } MiB of memory are available`;
  return countsPodMemory
    ? shortage
    : `${shortage}; no pod is evicted, since the kernel's memory cgroup is off`;
}

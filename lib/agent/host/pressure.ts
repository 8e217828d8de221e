// SPDX-License-Identifier: Apache-2.0
/** Pressure conditions of a Node, with the kubelet's thresholds. */
import type { DiskUsage, HostFacts } from "./facts.ts";

const MEBIBYTE = 1024 * 1024;
/** The kubelet's memory.available < 100 MiB; on small devices a tenth of the memory. */
const MIN_MEMORY_AVAILABLE_BYTES = 100 * MEBIBYTE;
const MIN_MEMORY_AVAILABLE_SHARE = 0.1;
/** Messages name available memory in steps of this size, so that they seldom change. */
const MEMORY_STEP_MEBIBYTES = 16;
/** The kubelet's nodefs.available < 10 % and imagefs.available < 15 %. */
const MIN_STATE_DISK_SHARE = 0.1;
const MIN_ENGINE_DISK_SHARE = 0.15;
const MAX_THREAD_SHARE = 0.9;
/** The kubelet's eviction-pressure-transition-period. */
const TRANSITION_PERIOD_MS = 5 * 60_000;

/** One pressure condition of a Node. */
export interface PressureCondition {
  type: "MemoryPressure" | "DiskPressure" | "PIDPressure";
  status: boolean;
  reason: string;
  message: string;
}

/** Measurements of one moment. */
export interface PressureInput {
  host: HostFacts;
  /** File system of the agent's state. */
  stateDisk: DiskUsage | undefined;
  /** File system of the engine's images. */
  engineDisk: DiskUsage | undefined;
  /** Monotonic time, in milliseconds. */
  nowMs: number;
}

/** A condition as it is measured, before the transition period. */
interface MeasuredCondition extends PressureCondition {
  /** Reason while the condition is false. */
  clearReason: string;
}

/** Messages without pressure: the kubelet's texts. They don't change, and so cause no reports. */
const CLEAR_MESSAGES: Readonly<Record<PressureCondition["type"], string>> = {
  MemoryPressure: "kubelet has sufficient memory available",
  DiskPressure: "kubelet has no disk pressure",
  PIDPressure: "kubelet has sufficient PID available",
};

/**
 * Judges measurements of one machine. A condition stays true for five minutes after the last
 * measurement with pressure.
 */
export class PressureMonitor {
  readonly #lastPressureMs = new Map<string, number>();

  /** Records measurements and returns the three conditions. */
  update(input: PressureInput): PressureCondition[] {
    const { host, stateDisk, engineDisk, nowMs } = input;
    const minMemoryBytes = Math.min(
      MIN_MEMORY_AVAILABLE_BYTES,
      host.memoryBytes * MIN_MEMORY_AVAILABLE_SHARE,
    );
    return [
      this.#applyTransitionPeriod({
        type: "MemoryPressure",
        status: host.memoryAvailableBytes < minMemoryBytes,
        reason: "HasInsufficientMemory",
        clearReason: "HasSufficientMemory",
        message: toMemoryMessage(host.memoryAvailableBytes),
      }, nowMs),
      this.#applyTransitionPeriod({
        type: "DiskPressure",
        status: isBelow(stateDisk, MIN_STATE_DISK_SHARE) ||
          isBelow(engineDisk, MIN_ENGINE_DISK_SHARE),
        reason: "HasDiskPressure",
        clearReason: "HasNoDiskPressure",
        message: toDiskMessage(input),
      }, nowMs),
      this.#applyTransitionPeriod({
        type: "PIDPressure",
        status: host.threadLimit > 0 &&
          host.threadCount > host.threadLimit * MAX_THREAD_SHARE,
        reason: "HasInsufficientPID",
        clearReason: "HasSufficientPID",
        message:
          `the number of threads is near its limit of ${host.threadLimit}`,
      }, nowMs),
    ];
  }

  #applyTransitionPeriod(
    measured: MeasuredCondition,
    nowMs: number,
  ): PressureCondition {
    const { type, reason, clearReason, message } = measured;
    if (measured.status) this.#lastPressureMs.set(type, nowMs);
    const lastMs = this.#lastPressureMs.get(type);
    const status = lastMs !== undefined &&
      nowMs - lastMs < TRANSITION_PERIOD_MS;
    return status
      ? { type, status, reason, message }
      : { type, status, reason: clearReason, message: CLEAR_MESSAGES[type] };
  }
}

function isBelow(disk: DiskUsage | undefined, share: number): boolean {
  return disk !== undefined && disk.capacityBytes > 0 &&
    disk.availableBytes < disk.capacityBytes * share;
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

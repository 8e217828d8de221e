// SPDX-License-Identifier: Apache-2.0
/** From measured figures to the conditions of a Node, with the kubelet's thresholds; pure but for its memory. */
import type { DiskReading, HostReading } from "./facts.ts";

const MEBIBYTE = 1024 * 1024;
/** memory.available < 100 MiB; on small devices a tenth of what there is. */
const MIN_MEMORY_AVAILABLE_BYTES = 100 * MEBIBYTE;
const MIN_MEMORY_AVAILABLE_SHARE = 0.1;
/** nodefs.available < 10 %, imagefs.available < 15 % */
const MIN_STATE_DISK_SHARE = 0.1;
const MIN_ENGINE_DISK_SHARE = 0.15;
const MAX_THREAD_SHARE = 0.9;
/** A pressure is said to be over when it has been for so long (the kubelet's transition period). */
const TRANSITION_MS = 5 * 60_000;

/** One condition. */
export interface PressureCondition {
  type: "MemoryPressure" | "DiskPressure" | "PIDPressure";
  status: boolean;
  reason: string;
  message: string;
}

/** What is judged. */
export interface PressureInput {
  host: HostReading;
  /** File system of the agent's state. */
  stateDisk: DiskReading | undefined;
  /** File system of the engine's images. */
  engineDisk: DiskReading | undefined;
  /** Monotonic, in milliseconds. */
  nowMs: number;
}

/** Remembers since when there was pressure. One per machine. */
export class PressureGauge {
  readonly #lastSeenMs = new Map<string, number>();

  /** The three conditions now. */
  judge(input: PressureInput): PressureCondition[] {
    const { host, nowMs } = input;
    const memoryFloor = Math.min(
      MIN_MEMORY_AVAILABLE_BYTES,
      host.memoryBytes * MIN_MEMORY_AVAILABLE_SHARE,
    );
    return [
      this.#hold({
        type: "MemoryPressure",
        status: host.memoryAvailableBytes < memoryFloor,
        reason: "HasInsufficientMemory",
        otherwise: "HasSufficientMemory",
        message: `${
          toMebibytes(host.memoryAvailableBytes)
        } of memory are available`,
      }, nowMs),
      this.#hold({
        type: "DiskPressure",
        status: isShort(input.stateDisk, MIN_STATE_DISK_SHARE) ||
          isShort(input.engineDisk, MIN_ENGINE_DISK_SHARE),
        reason: "HasDiskPressure",
        otherwise: "HasNoDiskPressure",
        message: diskMessage(input),
      }, nowMs),
      this.#hold({
        type: "PIDPressure",
        status: host.threadLimit > 0 &&
          host.threadCount > host.threadLimit * MAX_THREAD_SHARE,
        reason: "HasInsufficientPID",
        otherwise: "HasSufficientPID",
        message: `${host.threadLimit} threads may exist`,
      }, nowMs),
    ];
  }

  #hold(
    seen: PressureCondition & { otherwise: string },
    nowMs: number,
  ): PressureCondition {
    const { type, reason, otherwise, message } = seen;
    if (seen.status) this.#lastSeenMs.set(type, nowMs);
    const lastMs = this.#lastSeenMs.get(type);
    const status = lastMs !== undefined && nowMs - lastMs < TRANSITION_MS;
    // Figures change all the time; without pressure they must not make a new report each time.
    return status
      ? { type, status, reason, message }
      : { type, status, reason: otherwise, message: CALM[type] };
  }
}

/** The kubelet's own words. */
const CALM: Record<PressureCondition["type"], string> = {
  MemoryPressure: "kubelet has sufficient memory available",
  DiskPressure: "kubelet has no disk pressure",
  PIDPressure: "kubelet has sufficient PID available",
};

function isShort(disk: DiskReading | undefined, share: number): boolean {
  return disk !== undefined && disk.capacityBytes > 0 &&
    disk.availableBytes < disk.capacityBytes * share;
}

/** Rounded, so that the message stays the same for a while. */
function toMebibytes(bytes: number): string {
  return `less than ${(Math.floor(bytes / MEBIBYTE / 16) + 1) * 16} MiB`;
}

function diskMessage({ stateDisk, engineDisk }: PressureInput): string {
  const part = (name: string, disk: DiskReading | undefined) =>
    disk
      ? `${name} has ${
        Math.floor(100 * disk.availableBytes / Math.max(1, disk.capacityBytes))
      } % free`
      : `${name} is unknown`;
  return `${part("the state's disk", stateDisk)}, ${
    part("the engine's disk", engineDisk)
  }`;
}

// SPDX-License-Identifier: Apache-2.0
/** Thresholds below which the device evicts pods, with the names and defaults of a kubelet. */
import { MEBIBYTE } from "../base/mod.ts";

/**
 * What is measured. "nodefs" is the file system of the agent's state with the volumes of pods,
 * "imagefs" that of the engine's images, containers and logs. They may be the same.
 */
export const EVICTION_SIGNALS = [
  "memory.available",
  "nodefs.available",
  "nodefs.inodesFree",
  "imagefs.available",
  "imagefs.inodesFree",
] as const;

/** Name of a measured value. */
export type EvictionSignal = typeof EVICTION_SIGNALS[number];

/** Bytes or inodes, or a share of what there is; the smaller one of both. 0 turns it off. */
export interface EvictionQuantity {
  count?: number;
  /** From 0 to 1. */
  share?: number;
}

/** The section `eviction` of agent.yaml. */
export interface EvictionSettings {
  /** A signal below its threshold is pressure. */
  hard: Readonly<Record<EvictionSignal, EvictionQuantity>>;
  /** How long a condition of pressure stays true after the last measurement with pressure. */
  pressureTransitionPeriodMs: number;
}

const UNIT_COUNTS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 1024,
  Mi: MEBIBYTE,
  Gi: 1024 * MEBIBYTE,
};

/**
 * The kubelet's own thresholds and transition period. On devices with little memory a tenth of it
 * is enough.
 */
export const DEFAULT_EVICTION: EvictionSettings = {
  hard: {
    "memory.available": { count: 100 * MEBIBYTE, share: 0.1 },
    "nodefs.available": { share: 0.1 },
    "nodefs.inodesFree": { share: 0.05 },
    "imagefs.available": { share: 0.15 },
    "imagefs.inodesFree": { share: 0.05 },
  },
  pressureTransitionPeriodMs: 5 * 60_000,
};

/** Parses "100Mi", "10%" or a plain number; undefined for anything else. */
export function parseEvictionQuantity(
  text: string,
): EvictionQuantity | undefined {
  const match = text.match(/^(\d+(?:\.\d+)?)(%|[kMG]|[KMG]i)?$/);
  if (!match) return undefined;
  const value = Number(match[1]);
  const unit = match[2] ?? "";
  if (unit !== "%") {
    return { count: Math.ceil(value * (UNIT_COUNTS[unit] ?? NaN)) };
  }
  return value <= 100 ? { share: value / 100 } : undefined;
}

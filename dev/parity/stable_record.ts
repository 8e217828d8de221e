// SPDX-License-Identifier: Apache-2.0
/** Several records of one case, reduced to what is the same in all of them. */
import type { Leaves } from "./flatten.ts";
import type { ParityRecord } from "./record_pod.ts";

/** Shortest and longest of several durations, in milliseconds. */
export interface DurationRange {
  minMs: number;
  maxMs: number;
}

/** What is the same in all runs of a case. */
export interface StableRecord {
  leaves: Leaves;
  /** Paths whose values differ between runs; they are not compared. */
  unstable: string[];
  timings: Record<string, DurationRange>;
}

/** Returns what all runs of a case have in common. */
export function toStableRecord(runs: readonly ParityRecord[]): StableRecord {
  const paths = new Set(runs.flatMap(({ leaves }) => Object.keys(leaves)));
  const stable: StableRecord = { leaves: {}, unstable: [], timings: {} };
  for (const path of [...paths].sort()) {
    const [first, ...others] = runs.map(({ leaves }) => leaves[path]);
    if (first === undefined || others.some((value) => value !== first)) {
      stable.unstable.push(path);
    } else stable.leaves[path] = first;
  }
  for (const { timings } of runs) {
    for (const [what, ms] of Object.entries(timings)) {
      const { minMs, maxMs } = stable.timings[what] ??
        { minMs: ms, maxMs: ms };
      stable.timings[what] = {
        minMs: Math.min(minMs, ms),
        maxMs: Math.max(maxMs, ms),
      };
    }
  }
  return stable;
}

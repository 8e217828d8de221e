// SPDX-License-Identifier: Apache-2.0
/** Differences between a case's stable record and the records of another node. */
import type { Leaves } from "./flatten.ts";
import type { ParityRecord } from "./record_pod.ts";
import type { DurationRange, StableRecord } from "./stable_record.ts";

/** A leaf that differs; undefined where a side has no such leaf. */
export interface LeafDifference {
  path: string;
  expected: Leaves[string] | undefined;
  actual: Leaves[string] | undefined;
}

/** A duration out of bounds. */
export interface TimingDifference {
  path: string;
  expected: DurationRange;
  actualMs: number;
}

/** All differences of one case. */
export interface CaseDifferences {
  leaves: LeafDifference[];
  timings: TimingDifference[];
}

/** A duration may be this much shorter or longer than the recorded range, and twice as long. */
const TOLERANCE_MS = 4000;

/**
 * Returns the differences that every run shows. Paths that are unstable on the expected side are
 * left out.
 */
export function compareRecords(
  expected: StableRecord,
  runs: readonly ParityRecord[],
): CaseDifferences {
  const unstable = new Set(expected.unstable);
  const paths = new Set([
    ...Object.keys(expected.leaves),
    ...runs.flatMap(({ leaves }) => Object.keys(leaves)),
  ]);
  const leaves: LeafDifference[] = [];
  for (const path of [...paths].sort()) {
    if (unstable.has(path)) continue;
    const value = expected.leaves[path];
    const actual = runs.map((run) => run.leaves[path]);
    if (actual.includes(value)) continue;
    leaves.push({ path, expected: value, actual: actual[0] });
  }
  return { leaves, timings: compareTimings(expected, runs) };
}

function compareTimings(
  expected: StableRecord,
  runs: readonly ParityRecord[],
): TimingDifference[] {
  const differences: TimingDifference[] = [];
  for (const [path, range] of Object.entries(expected.timings)) {
    const actual = runs.flatMap(({ timings }) => timings[path] ?? []);
    if (actual.length === 0 || actual.some((ms) => isWithin(ms, range))) {
      continue;
    }
    differences.push({ path, expected: range, actualMs: actual[0] ?? 0 });
  }
  return differences;
}

function isWithin(ms: number, { minMs, maxMs }: DurationRange): boolean {
  return ms >= minMs - TOLERANCE_MS && ms <= 2 * maxMs + TOLERANCE_MS;
}

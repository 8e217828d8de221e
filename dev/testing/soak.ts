// SPDX-License-Identifier: Apache-2.0
/** The same tests several times in different orders, and a table of what came of each run. */
import { createRandom } from "../base/random.ts";
import { formatElapsed } from "../base/terminal.ts";
import { MAX_SEED } from "./arguments.ts";
import type { Results } from "./results.ts";

/** One run of all tests. */
export interface SoakRun {
  seed: number;
  ms: number;
  results: Results;
}

/** Returns the seeds of so many runs; the first is the seed itself. */
export function toSeeds(seed: number, count: number): number[] {
  const random = createRandom(seed);
  const seeds = new Set([seed]);
  while (seeds.size < count) seeds.add(1 + random.below(MAX_SEED));
  return [...seeds];
}

/** Returns the lines of a table with a row for each run. */
export function toSoakTable(runs: SoakRun[]): string[] {
  const rows = runs.flatMap(({ seed, ms, results }, index) => {
    const { passed, failed, failures } = results;
    const [first = "", ...more] = failures.map(({ file, title }) =>
      `${file}: ${title}`
    );
    return [
      [index + 1, seed, passed, failed, formatElapsed(ms), first],
      ...more.map((one) => ["", "", "", "", "", one]),
    ];
  });
  return [
    "",
    "== runs",
    ...[["run", "seed", "passed", "failed", "time", "failed tests"], ...rows]
      .map(toRow),
  ];
}

const WIDTHS = [3, 6, 6, 6, 6];

function toRow(cells: (string | number)[]): string {
  return cells.map((cell, index) => `${cell}`.padStart(WIDTHS[index] ?? 0))
    .join("  ").trimEnd();
}

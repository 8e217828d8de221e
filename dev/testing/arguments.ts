// SPDX-License-Identifier: Apache-2.0
/** Reads the command line of `deno task test`. */
import { parseArgs } from "node:util";
import { AranyaError } from "../../lib/shared/base/mod.ts";

const PARTS = ["pure", "unit", "e2e", "hostile"] as const;

/** A part of the tests. */
export type Part = typeof PARTS[number];

/** What to run. */
export interface TestArguments {
  /** Absent for all parts. */
  part: Part | undefined;
  /** Absolute paths, or from the root; all files of the part when empty. */
  files: string[];
  /** Decides the order of the end-to-end files; absent to draw one. */
  seed: number | undefined;
  /** How often the end-to-end tests run. */
  runCount: number;
}

/** The largest seed. Small enough to be typed by a person who repeats a run. */
export const MAX_SEED = 999_999;
const MAX_RUNS = 1000;

/**
 * Reads the arguments. A flag that is given twice has its last value, so that those of a task can
 * be changed.
 * @throws {Error} when a flag is unknown, or has a value that it can't have
 */
export function parseTestArguments(args: string[]): TestArguments {
  const { values, positionals } = parseArgs({
    args: args.filter((one) => one !== "--"),
    allowPositionals: true,
    options: { seed: { type: "string" }, runs: { type: "string" } },
  });
  const part = PARTS.find((one) => one === positionals[0]);
  const seed = toInteger("--seed", { text: values.seed, max: MAX_SEED });
  const runCount = toInteger("--runs", { text: values.runs, max: MAX_RUNS });
  if (seed !== undefined && part !== undefined && part !== "e2e") {
    throw new AranyaError(
      "invalid",
      "Cannot use --seed: only the end-to-end tests have one",
    );
  }
  if (runCount !== undefined && part !== "e2e") {
    throw new AranyaError("invalid", "Cannot use --runs: expected part e2e");
  }
  return {
    part,
    files: positionals.slice(part ? 1 : 0),
    seed,
    runCount: runCount ?? 1,
  };
}

function toInteger(
  flag: string,
  { text, max }: { text: string | undefined; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  throw new AranyaError(
    "invalid",
    `Cannot use ${flag} ${text}: not a whole number from 1 to ${max}`,
  );
}

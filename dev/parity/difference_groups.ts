// SPDX-License-Identifier: Apache-2.0
/** Differences of all cases, grouped so that one cause is one row. */
import type { CaseDifferences } from "./compare.ts";
import type { Leaves } from "./flatten.ts";

/** Equal differences of several cases. */
export interface DifferenceGroup {
  /** Path with `*` for names of containers and volumes. */
  path: string;
  expected: Leaves[string] | undefined;
  actual: Leaves[string] | undefined;
  /** Names of the cases that show it. */
  cases: string[];
}

/** Returns the groups, those with most cases first. */
export function groupDifferences(
  differences: ReadonlyMap<string, CaseDifferences>,
): DifferenceGroup[] {
  const groups = new Map<string, DifferenceGroup>();
  for (const [name, { leaves }] of differences) {
    for (const { path, expected, actual } of leaves) {
      const group = {
        path: generalize(path, name),
        expected: generalizeValue(expected, name),
        actual: generalizeValue(actual, name),
      };
      const key = JSON.stringify([group.path, group.expected, group.actual]);
      const cases: string[] = groups.get(key)?.cases ?? [];
      if (!cases.includes(name)) cases.push(name);
      groups.set(key, { ...group, cases });
    }
  }
  return [...groups.values()].sort((a, b) =>
    b.cases.length - a.cases.length || (a.path < b.path ? -1 : 1)
  );
}

function generalize(path: string, name: string): string {
  return path.replaceAll(name, "<pod>")
    .replace(/(tatuses)\[[^\]]*\]/g, "$1[*]")
    .replace(/(volumeMounts)\[[^\]]*\]/g, "$1[*]")
    .replace(/container [a-z]+$/, "container *")
    .replace(/(spec\.(?:initC|c)ontainers)\{[^}]*\}/g, "$1{*}");
}

function generalizeValue(
  value: Leaves[string] | undefined,
  name: string,
): Leaves[string] | undefined {
  return typeof value === "string"
    ? value.replaceAll(name, "<pod>").replace(
      /(spec\.(?:initC|c)ontainers)\{[^}]*\}/g,
      "$1{*}",
    )
    : value;
}

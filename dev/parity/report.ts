// SPDX-License-Identifier: Apache-2.0
/** The result of a comparison as text for the terminal, and as docs/parity.md. */
import type { CaseDifferences, LeafDifference } from "./compare.ts";
import { type DifferenceGroup, groupDifferences } from "./difference_groups.ts";
import type { Leaves } from "./flatten.ts";
import { RULES } from "./normalize.ts";
import { isExplained, reasonOf } from "./reasons.ts";
import type { RecordingFacts } from "./record_file.ts";

/** Compared cases by name. */
export type Comparison = ReadonlyMap<string, CaseDifferences>;

const CELL_CHARACTERS = 100;
const NAMES_SHOWN = 4;

/**
 * Returns "N of M pods equal", with the number of those that differ in their timing only, and of
 * the others whose differences all have a reason.
 */
export function summarize(comparison: Comparison): string {
  const all = [...comparison];
  const equal = all.filter(([, { leaves }]) => leaves.length === 0);
  const slow = equal.filter(([, { timings }]) => timings.length > 0);
  const explained = all.filter(([name, differences]) =>
    differences.leaves.length > 0 && isExplained(name, differences)
  );
  return [
    `${equal.length} of ${all.length} pods equal`,
    ...slow.length > 0 ? [`${slow.length} of them out of time bounds`] : [],
    ...explained.length > 0
      ? [`${explained.length} of the others explained`]
      : [],
  ].join(", ");
}

/** Returns whether no pod has a difference without a reason. */
export function isAccepted(comparison: Comparison): boolean {
  return [...comparison].every(([name, differences]) =>
    isExplained(name, differences)
  );
}

/** Returns the differences of each case as lines for the terminal. */
export function describeCases(comparison: Comparison): string[] {
  return [...comparison].flatMap(([name, differences]) => {
    const { leaves, timings } = differences;
    if (leaves.length + timings.length === 0) return [`${name}: equal`];
    const isKept = leaves.length > 0 && isExplained(name, differences);
    return [
      `${name}: ${leaves.length} differences${isKept ? ", explained" : ""}`,
      ...leaves.map((difference) => describeDifference(name, difference)),
      ...timings.map(({ path, expected, actualMs }) =>
        `  time of ${path}: ${expected.minMs}–${expected.maxMs} ms, device ${actualMs} ms`
      ),
    ];
  });
}

function describeDifference(name: string, difference: LeafDifference): string {
  const { path, expected, actual } = difference;
  const [group] = groupDifferences(
    new Map([[name, { leaves: [difference], timings: [] }]]),
  );
  const reason = group ? reasonOf(group) : "";
  return [
    `  ${path}`,
    `    kubelet: ${show(expected)}`,
    `    device:  ${show(actual)}`,
    ...reason ? [`    reason:  ${reason}`] : [],
  ].join("\n");
}

/** Returns docs/parity.md. */
export function renderPage(
  comparison: Comparison,
  facts: RecordingFacts,
): string {
  const groups = groupDifferences(comparison);
  return [
    "# Parity with a kubelet",
    "",
    "This page is written by `deno task parity --page`. It compares pods on a device with the same pods on a real kubelet",
    `(${facts.kubelet}, recorded ${facts.runCount} times with \`${facts.command}\`), through the API alone: status, order of states, Events,`,
    "logs, exec results, what the container sees, and deletion. What differs between two runs on the kubelet itself is left out.",
    "",
    `**${summarize(comparison)}.**`,
    "",
    "## Differences",
    "",
    "| pods | where | kubelet | device | reason |",
    "|---|---|---|---|---|",
    ...groups.map(renderGroup),
    "",
    "## Durations out of bounds",
    "",
    "| pod | what | kubelet, ms | device, ms |",
    "|---|---|---|---|",
    ...[...comparison].flatMap(([name, { timings }]) =>
      timings.map(({ path, expected, actualMs }) =>
        `| ${name} | ${
          cell(path)
        } | ${expected.minMs}–${expected.maxMs} | ${actualMs} |`
      )
    ),
    "",
    "## What is not compared",
    "",
    "These parts of texts are replaced on both sides before the comparison:",
    "",
    ...[...new Set(RULES.map(({ hides }) => `- ${hides}`))],
    "",
  ].join("\n");
}

function renderGroup(group: DifferenceGroup): string {
  const { path, expected, actual, cases } = group;
  const names = cases.slice(0, NAMES_SHOWN).join(", ") +
    (cases.length > NAMES_SHOWN ? ", …" : "");
  return `| ${cases.length}: ${names} | ${cell(path)} | ${
    cell(show(expected))
  } | ${cell(show(actual))} | ${reasonOf(group)} |`;
}

function show(value: Leaves[string] | undefined): string {
  return value === undefined ? "(absent)" : JSON.stringify(value);
}

function cell(text: string): string {
  const short = text.length > CELL_CHARACTERS
    ? `${text.slice(0, CELL_CHARACTERS)}…`
    : text;
  return `\`${short.replaceAll("|", "\\|").replaceAll("`", "'")}\``;
}

// SPDX-License-Identifier: Apache-2.0
/** The result of a comparison as text for the terminal, and as docs/parity.md. */
import type { CaseDifferences } from "./compare.ts";
import { type DifferenceGroup, groupDifferences } from "./difference_groups.ts";
import type { Leaves } from "./flatten.ts";
import { RULES } from "./normalize.ts";
import { reasonOf } from "./reasons.ts";
import type { RecordingFacts } from "./record_file.ts";

/** Compared cases by name. */
export type Comparison = ReadonlyMap<string, CaseDifferences>;

const CELL_CHARACTERS = 100;
const NAMES_SHOWN = 4;

/** Returns "N of M pods equal", with the pods that differ in their timing only. */
export function summarize(comparison: Comparison): string {
  const all = [...comparison.values()];
  const equal = all.filter(({ leaves }) => leaves.length === 0);
  const slow = equal.filter(({ timings }) => timings.length > 0);
  return `${equal.length} of ${all.length} pods equal` +
    (slow.length > 0 ? `, ${slow.length} of them out of time bounds` : "");
}

/** Returns the differences of each case as lines for the terminal. */
export function describeCases(comparison: Comparison): string[] {
  return [...comparison].flatMap(([name, { leaves, timings }]) => {
    if (leaves.length + timings.length === 0) return [`${name}: equal`];
    return [
      `${name}: ${leaves.length} differences`,
      ...leaves.map(({ path, expected, actual }) =>
        `  ${path}\n    kubelet: ${show(expected)}\n    device:  ${
          show(actual)
        }`
      ),
      ...timings.map(({ path, expected, actualMs }) =>
        `  time of ${path}: ${expected.minMs}–${expected.maxMs} ms, device ${actualMs} ms`
      ),
    ];
  });
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

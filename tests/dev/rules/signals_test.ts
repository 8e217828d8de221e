// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { findSignals, type Source } from "../../../dev/rules/signals.ts";

function source(path: string, lines: string[], facts = {}): Source {
  return {
    path,
    lines,
    facts: {
      comments: [],
      strings: [],
      functions: [],
      classes: [],
      exportedTypes: [],
      denoMembers: [],
      testCount: 0,
      ...facts,
    },
  };
}

/** Texts by the heading's first words. */
function signalsOf(sources: Source[]): Record<string, string[]> {
  return Object.fromEntries(
    findSignals(sources).map(({ heading, signals }) => [
      heading.replace(/ over.*/, ""),
      signals.map(({ text }) => text),
    ]),
  );
}

Deno.test("findSignals() gives what is over a bound, largest first", () => {
  const functions = [
    { name: "short", line: 1, lineCount: 60 },
    { name: "long", line: 2, lineCount: 61 },
    { name: "longer", line: 3, lineCount: 90 },
  ];
  const classes = [
    { name: "Narrow", line: 1, fieldCount: 10 },
    { name: "Wide", line: 2, fieldCount: 11 },
  ];
  const found = signalsOf([
    source("lib/a/x.ts", Array(401).fill("code"), { functions, classes }),
    ...Array.from(
      { length: 14 },
      (_, index) => source(`lib/a/y${index}.ts`, Array(400).fill("code")),
    ),
    ...Array.from(
      { length: 14 },
      (_, index) => source(`lib/b/y${index}.ts`, ["code"]),
    ),
  ]);
  assert.deepEqual(found.files, ["lib/a/x.ts: 401 lines"]);
  assert.deepEqual(found.folders, ["lib/a: 15 files"]);
  assert.deepEqual(found.functions, [
    "lib/a/x.ts:3 longer: 90 lines",
    "lib/a/x.ts:2 long: 61 lines",
  ]);
  assert.deepEqual(found.classes, ["lib/a/x.ts:2 Wide: 11 fields"]);
});

Deno.test("findSignals() measures comments: their width and their share of lines that aren't blank", () => {
  const comments = [
    { text: "", firstLine: 1, lastLine: 2 },
    { text: "", firstLine: 4, lastLine: 4 },
  ];
  const lines = ["x".repeat(101), "x".repeat(100), "", "a", "x".repeat(101)];
  const found = signalsOf([source("lib/a/x.ts", lines, { comments })]);
  assert.deepEqual(found["comment lines"], ["lib/a/x.ts:1: 101 columns"]);
  assert.deepEqual(found["share of comment lines"], [" 75 %  lib/a"]);
});

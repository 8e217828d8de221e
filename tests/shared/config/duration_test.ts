// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  formatDuration,
  parseDuration,
} from "../../../lib/shared/config/mod.ts";

Deno.test("parseDuration() parses the forms of metav1.Duration", () => {
  const table: [string, number][] = [
    ["0", 0],
    ["0s", 0],
    ["1s", 1000],
    ["1m30s", 90_000],
    ["1h0m0s", 3_600_000],
    ["250ms", 250],
    ["1.5h", 5_400_000],
    ["1m0.5s", 60_500],
    // Whole milliseconds: they go into integers of the wire protocol.
    ["10.0005s", 10_001],
    ["0.1ms", 0],
  ];
  for (const [text, durationMs] of table) {
    assert.equal(parseDuration(text), durationMs, text);
  }
});

Deno.test("parseDuration() rejects everything else", () => {
  for (const text of ["", "1", "s", "-1s", "1d", "1s ", "1.s", "1 s", "1e3s"]) {
    assert.throws(() => parseDuration(text), SyntaxError, text);
  }
});

Deno.test("formatDuration() is the inverse of parseDuration()", () => {
  const table: [number, string][] = [
    [0, "0s"],
    [90_000, "1m30s"],
    [3_600_000, "1h"],
    [1500, "1s500ms"],
  ];
  for (const [durationMs, text] of table) {
    assert.equal(formatDuration(durationMs), text);
    assert.equal(parseDuration(text), durationMs);
  }
  assert.throws(() => formatDuration(-1), RangeError);
  assert.throws(() => formatDuration(0.5), RangeError);
});

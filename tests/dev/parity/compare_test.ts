// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { compareRecords } from "../../../dev/parity/compare.ts";

const EXPECTED = {
  leaves: { same: "a", other: "b", absent: 1 },
  unstable: ["flaky"],
  timings: { ready: { minMs: 1000, maxMs: 2000 } },
};

Deno.test("compareRecords() returns leaves that differ or are on one side only", () => {
  const { leaves } = compareRecords(EXPECTED, [{
    leaves: { same: "a", other: "c", more: true, flaky: "x" },
    timings: {},
  }]);
  assert.deepEqual(leaves, [
    { path: "absent", expected: 1, actual: undefined },
    { path: "more", expected: undefined, actual: true },
    { path: "other", expected: "b", actual: "c" },
  ]);
});

Deno.test("compareRecords() leaves out a difference that one run does not show", () => {
  const run = (other: string) => ({
    leaves: { same: "a", other, absent: 1 },
    timings: {},
  });
  assert.deepEqual(compareRecords(EXPECTED, [run("c"), run("b")]).leaves, []);
  assert.equal(compareRecords(EXPECTED, [run("c"), run("d")]).leaves.length, 1);
});

Deno.test("compareRecords() returns durations out of bounds", () => {
  const timings = (ready: number) =>
    compareRecords(EXPECTED, [{
      leaves: EXPECTED.leaves,
      timings: { ready },
    }]).timings;
  assert.deepEqual(timings(8000), []);
  assert.deepEqual(timings(8001), [{
    path: "ready",
    expected: { minMs: 1000, maxMs: 2000 },
    actualMs: 8001,
  }]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { noResults } from "../../../dev/testing/results.ts";
import { toSummary } from "../../../dev/testing/summary.ts";

/** Returns the lines `line 1` to `line N`. */
function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index + 1}`)
    .join("\n");
}

Deno.test("toSummary() writes nothing about fast tests that passed", () => {
  const times = [{ file: "tests/a_test.ts", ms: 999 }];
  assert.deepEqual(toSummary({ ...noResults(), passed: 3, times }), []);
});

Deno.test("toSummary() writes the slowest files, notices, then each failed test with its error", () => {
  assert.deepEqual(
    toSummary({
      passed: 1,
      failed: 2,
      failures: [
        {
          file: "tests/a_test.ts",
          title: "a() works",
          message:
            "Error: cause\n\n    at file:///a_test.ts:3:50\n    at innerWrapped (ext:cli/40_test.js:300:11)",
        },
        { file: "tests/b_test.ts", title: "b", message: "ignored" },
      ],
      notices: ["tests/b_test.ts: killed after 10m0s"],
      times: [
        { file: "tests/a_test.ts", ms: 2400 },
        { file: "tests/b_test.ts", ms: 600_000 },
      ],
    }),
    [
      "",
      "== slowest files",
      " 10m0s  tests/b_test.ts",
      "    2s  tests/a_test.ts",
      "",
      "== notices",
      "tests/b_test.ts: killed after 10m0s",
      "",
      "== failed: 2",
      "tests/a_test.ts: a() works",
      "    Error: cause",
      "        at file:///a_test.ts:3:50",
      "tests/b_test.ts: b",
      "    ignored",
    ],
  );
});

Deno.test("toSummary() writes 15 lines of an error, and 180 characters of a line", () => {
  const summary = toSummary({
    ...noResults(),
    failures: [{
      file: "a_test.ts",
      title: "a",
      message: `${"x".repeat(500)}\n${lines(40)}`,
    }],
  });
  assert.equal(summary[3], `    ${"x".repeat(176)}…`);
  assert.equal(summary[17], "    line 14");
  assert.equal(summary[18], "    … 26 more");
  assert.equal(summary.length, 19);
});

Deno.test("toSummary() names all failed tests in 160 lines when there are many, and counts those beyond 50", () => {
  for (const count of [7, 20, 50, 90]) {
    const failures = Array.from({ length: count }, (_, index) => ({
      file: "a_test.ts",
      title: `test ${index}`,
      message: lines(30),
    }));
    const summary = toSummary({ ...noResults(), failures });
    assert.ok(summary.length < 160, `${count}: ${summary.length} lines`);
    assert.equal(summary[1], `== failed: ${count}`);
    const titles = summary.filter((line) => line.startsWith("a_test.ts: "));
    assert.equal(titles.length, Math.min(count, 50));
    assert.equal(summary.includes("… 40 more"), count === 90);
  }
});

Deno.test("toSummary() writes the ten slowest files, each once", () => {
  const times = Array.from({ length: 12 }, (_, index) => ({
    file: `${index}_test.ts`,
    ms: 1000 * (index + 1),
  }));
  const earlier = { file: "11_test.ts", ms: 11_500 };
  const summary = toSummary({ ...noResults(), times: [earlier, ...times] });
  assert.deepEqual(summary.slice(2, 4), [
    "   12s  11_test.ts",
    "   11s  10_test.ts",
  ]);
  assert.equal(summary.length, 12);
});

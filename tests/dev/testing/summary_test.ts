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

Deno.test("toSummary() writes the line of the test also when it is behind many lines of an error", () => {
  const place = "    at async file:///x/tests/e2e/a_test.ts:3:50";
  const summary = toSummary({
    ...noResults(),
    failures: [{
      file: "tests/e2e/a_test.ts",
      title: "a",
      message: `${lines(40)}\n    at file:///x/dev/base/wait.ts:1:2\n${place}`,
    }],
  });
  assert.deepEqual(summary.slice(-2), ["    … 27 more", `    ${place}`]);
});

Deno.test("toSummary() has at most 140 lines, and counts failed tests beyond 50", () => {
  const times = Array.from({ length: 50 }, (_, index) => ({
    file: `${index}_test.ts`,
    ms: 5000,
  }));
  const notices = times.map(({ file }) => `${file}: killed after 10m0s`);
  for (const count of [1, 7, 20, 49, 50, 90]) {
    const failures = Array.from({ length: count }, (_, index) => ({
      file: "a_test.ts",
      title: `test ${index}`,
      message: lines(30),
    }));
    const summary = toSummary({ ...noResults(), failures, times, notices });
    assert.ok(summary.length <= 140, `${count}: ${summary.length} lines`);
    assert.ok(summary.includes(`== failed: ${count}`));
    const titles = summary.filter((line) => line.startsWith("a_test.ts: "));
    assert.equal(titles.length, Math.min(count, 50));
    const causes = summary.filter((line) => line === "    line 1");
    assert.equal(causes.length, titles.length);
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

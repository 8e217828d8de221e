// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ROOT } from "../../../dev/base/paths.ts";
import {
  addResults,
  noResults,
  readOutput,
  readReport,
  readStartError,
} from "../../../dev/testing/results.ts";

Deno.test("readReport() counts failures, errors and ignored tests as failed, and returns why", () => {
  const report = `<testsuites><testsuite name="./a_test.ts">
    <testcase name="a" classname="./a_test.ts" time="0.1"></testcase>
    <testcase name="b" classname="./a_test.ts" time="0.2"/>
    <testcase name="c &lt;x&gt; &amp; &quot;y&quot;" classname="./a_test.ts" time="0.3" line="3">
      <failure message="Uncaught Error: short">Error: short
    at &lt;testcase&gt; &#39;&#x41;&apos;</failure></testcase>
    <testcase name="d" classname="./b_test.ts" time="1.5"><skipped /></testcase>
  </testsuite></testsuites>`;
  assert.deepEqual(readReport(report), {
    passed: 2,
    failed: 2,
    failures: [
      {
        file: "a_test.ts",
        title: 'c <x> & "y"',
        message: "Error: short\n    at <testcase> 'A'",
      },
      { file: "b_test.ts", title: "d", message: "ignored" },
    ],
    notices: [],
    times: [{ file: "a_test.ts", ms: 600 }, { file: "b_test.ts", ms: 1500 }],
  });
});

Deno.test("readReport() returns the step that failed, not those around it, and a step's time once", () => {
  const report = `<testsuites><testsuite name="./a_test.ts">
    <testcase name="a" classname="./a_test.ts" time="0.3">
      <failure message="1 test step failed">1 test step failed.</failure></testcase>
    <testcase name="a &gt; two" classname="./a_test.ts" time="0.2">
      <failure message="Uncaught Error: x">Error: x</failure></testcase>
    <testcase name="x &gt; y" classname="./a_test.ts" time="0.1"/>
  </testsuite></testsuites>`;
  const { passed, failed, failures, times } = readReport(report);
  assert.deepEqual({ passed, failed }, { passed: 1, failed: 2 });
  assert.deepEqual(failures, [
    { file: "a_test.ts", title: "a > two", message: "Error: x" },
  ]);
  assert.deepEqual(times, [{ file: "a_test.ts", ms: 400 }]);
});

/** The end of the output when an error was not caught. */
const UNCAUGHT = `
\x1b[0m\x1b[1m ERRORS \x1b[0m

./a_test.ts (uncaught error)
\x1b[0m\x1b[1m\x1b[31merror\x1b[0m: (in promise) Error: late

    at file:///a_test.ts:1:7
This error was not caught from a test and caused the test runner to fail on the referenced module.
It most likely originated from a dangling promise, event/timeout handler or top-level code.
`;

Deno.test("readReport() takes an error that cancelled tests from the output, and names the first of them", () => {
  const cancelled = ["b", "c"].map((name) =>
    `<testcase name="${name}" classname="./a_test.ts" time="0.0"><error message="Cancelled"/></testcase>`
  );
  const report = `<testsuites><testsuite name="./a_test.ts">
    <testcase name="a" classname="./a_test.ts" time="0.0"/>${cancelled.join("")}
  </testsuite></testsuites>`;
  const results = readReport(report, { output: UNCAUGHT });
  assert.equal(results.failed, 2);
  assert.deepEqual(results.failures, [{
    file: "a_test.ts",
    title: "b",
    message:
      "Error: late\n\n    at file:///a_test.ts:1:7\n(1 more test of this file did not run)",
  }]);
  assert.deepEqual(
    readReport(report).failures.map(({ message }) => message),
    ["Cancelled", "Cancelled"],
  );
});

Deno.test("readReport() returns one failure when no test of a file ran", () => {
  const ignored = ["b", "c"].map((name) =>
    `<testcase name="${name}" classname="./a_test.ts" line="1"><skipped/></testcase>`
  );
  const report = `<testsuites>${ignored.join("")}</testsuites>`;
  const results = readReport(report, { output: UNCAUGHT });
  assert.equal(results.failed, 2);
  assert.deepEqual(results.failures, [{
    file: "a_test.ts",
    title: "(outside of a test)",
    message:
      "Error: late\n\n    at file:///a_test.ts:1:7\n(2 tests of this file did not run)",
  }]);
});

/** A test that a support module registered: Deno names that module. */
const BY_SUPPORT = "./tests/_support/scenario.ts";

Deno.test("readReport() names the test file when a support module registered the test", () => {
  const report = `<testsuites>
    <testcase name="a" classname="${BY_SUPPORT}" time="0.1"><failure message="x">x</failure></testcase>
    <testcase name="b" classname="${BY_SUPPORT}" time="0.2"><error message="Cancelled"/></testcase>
  </testsuites>`;
  const { failed, failures, times } = readReport(report, {
    files: ["a_test.ts"],
    output: UNCAUGHT,
  });
  assert.equal(failed, 2);
  assert.deepEqual(failures.map(({ file, title }) => [file, title]), [
    ["a_test.ts", "a"],
    ["a_test.ts", "b"],
  ]);
  assert.deepEqual(times, [{ file: "a_test.ts", ms: 300 }]);
});

Deno.test("readReport() takes the test file from the error when there are several files", () => {
  const stack = `x\n    at file://${ROOT}/tests/b_test.ts:1:2`;
  const report = `<testsuites>
    <testcase name="a" classname="${BY_SUPPORT}" time="0.1"><failure message="x">${stack}</failure></testcase>
    <testcase name="b" classname="${BY_SUPPORT}" time="0.1"><failure message="x">x</failure></testcase>
  </testsuites>`;
  const files = ["tests/a_test.ts", "tests/b_test.ts"];
  assert.deepEqual(
    readReport(report, { files }).failures.map(({ file }) => file),
    ["tests/b_test.ts", "tests/_support/scenario.ts"],
  );
});

Deno.test("readReport() counts an error outside of tests beside a test that failed", () => {
  const report = `<testsuites>
    <testcase name="b" classname="./a_test.ts" time="0.0"><failure message="x">x</failure></testcase>
  </testsuites>`;
  const results = readReport(report, { output: UNCAUGHT });
  assert.equal(results.failed, 2);
  assert.deepEqual(results.failures.map(({ title }) => title), [
    "b",
    "(outside of a test)",
  ]);
});

Deno.test("readReport() counts a file without a test that fails outside of tests as one failure", () => {
  const report = `<testsuites><testsuite name="./b_test.ts">
    <testcase name="b" classname="./b_test.ts" time="0.0"><failure message="x">x</failure></testcase>
  </testsuite></testsuites>`;
  const results = readReport(report, { output: UNCAUGHT });
  assert.equal(results.failed, 2);
  assert.deepEqual(results.failures.map(({ file, title }) => [file, title]), [
    ["b_test.ts", "b"],
    ["a_test.ts", "(outside of a test)"],
  ]);
});

Deno.test("readReport() counts nothing in an empty report", () => {
  assert.deepEqual(readReport(""), noResults());
});

Deno.test("readOutput() counts ended tests, and returns the last lines of the one that did not end", () => {
  const output = `running 6 tests from ./a_test.ts
one ... \x1b[0m\x1b[32mok\x1b[0m (5ms)
two ...
  step ... ok (1ms)
two ... ok (2ms)
three ...
------- output -------
printed ...
----- output end -----
three ... FAILED (3ms)
slow ...'slow' has been running for over (1m0s)
 ok (1m1s)
\x1b[0m\x1b[38;5;245mrunning 2 tests from ./b_test.ts\x1b[0m
four ... ignored (0ms)
five ...
------- output -------
waiting for a pod

`;
  assert.deepEqual(readOutput(output), {
    ...noResults(),
    passed: 4,
    failed: 3,
    failures: [
      {
        file: "a_test.ts",
        title: "three",
        message: "FAILED; the process ended before it reported why",
      },
      {
        file: "b_test.ts",
        title: "four",
        message: "ignored; the process ended before it reported why",
      },
      {
        file: "b_test.ts",
        title: "five",
        message:
          "did not end; its last lines:\n------- output -------\nwaiting for a pod",
      },
    ],
  });
});

Deno.test("readOutput() counts nothing in an empty output", () => {
  assert.deepEqual(readOutput(""), noResults());
});

Deno.test("readStartError() returns the error that Deno names last, or the last lines", () => {
  const error = `warning
\x1b[1m\x1b[31merror\x1b[0m: Module not found "file:///x.ts".
    at file:///a_test.ts:1:15

Stack backtrace:
   0: <unknown>
`;
  assert.equal(
    readStartError(error),
    'Module not found "file:///x.ts".\n    at file:///a_test.ts:1:15',
  );
  assert.equal(readStartError("error: one\n  two"), "one\n  two");
  assert.equal(
    readStartError("Killed\n\nby the kernel\n"),
    "Killed\nby the kernel",
  );
  assert.equal(readStartError(""), "");
});

Deno.test("addResults() adds counts and lists", () => {
  const total = noResults();
  const one = {
    passed: 1,
    failed: 2,
    failures: [{ file: "a", title: "b", message: "c" }],
    notices: ["n"],
    times: [{ file: "a", ms: 3 }],
  };
  addResults(total, one);
  addResults(total, one);
  assert.deepEqual(total, {
    passed: 2,
    failed: 4,
    failures: [...one.failures, ...one.failures],
    notices: ["n", "n"],
    times: [...one.times, ...one.times],
  });
});

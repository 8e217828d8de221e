// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { countOutput, countResults } from "../../../dev/testing/results.ts";

Deno.test("countResults() counts failures, errors and ignored tests as failed", () => {
  const report = `<testsuites><testsuite>
    <testcase name="a" time="0.1"></testcase>
    <testcase name="b" time="0.1"/>
    <testcase name="c"><failure message="x">at &lt;testcase&gt;</failure></testcase>
    <testcase name="d"><skipped /></testcase>
  </testsuite></testsuites>`;
  assert.deepEqual(countResults(report), { passed: 2, failed: 2 });
});

Deno.test("countResults() counts nothing in an empty report", () => {
  assert.deepEqual(countResults(""), { passed: 0, failed: 0 });
});

Deno.test("countOutput() counts ended tests and names the one that did not end", () => {
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
four ... ignored (0ms)
five ...`;
  assert.deepEqual(countOutput(output), {
    passed: 4,
    failed: 3,
    unfinished: "five",
  });
});

Deno.test("countOutput() counts nothing in an empty output", () => {
  assert.deepEqual(countOutput(""), {
    passed: 0,
    failed: 0,
    unfinished: undefined,
  });
});

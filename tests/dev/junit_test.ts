// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { countResults } from "../../dev/junit.ts";

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

// SPDX-License-Identifier: Apache-2.0
/** Counts of passed and failed tests, from the reports of `deno test`. */

/** Numbers of test cases. Deno reports a test and each of its steps as a case. */
export interface Results {
  passed: number;
  failed: number;
}

/**
 * Counts the cases of a JUnit report. One with a failure or an error has failed; an ignored one
 * counts as failed too, so that nothing is skipped silently.
 */
export function countResults(report: string): Results {
  const results = { passed: 0, failed: 0 };
  for (
    const [, selfClosing, body = ""] of report.matchAll(
      /<testcase\b[^>]*?(?:(\/)>|>([\s\S]*?)<\/testcase>)/g,
    )
  ) {
    if (!selfClosing && /<(failure|error|skipped)\b/.test(body)) {
      results.failed++;
    } else results.passed++;
  }
  return results;
}

/** Counts of a run that ended without a report, and the test that it was in. */
export interface PartialResults extends Results {
  /** Title of the test that had begun and not ended. */
  unfinished: string | undefined;
}

/**
 * Parts of the output that are no results: colors, and a notice in the middle of a slow test's
 * line.
 */
const NOISE =
  // deno-lint-ignore no-control-regex
  /\x1b\[[\d;]*m|'[^'\n]*' has been running for over [^\n]*\n/g;

/**
 * Counts the tests in the output of `deno test`, for a process that was killed: Deno writes its
 * JUnit report only at the end. A test that had begun and not ended counts as failed.
 */
export function countOutput(output: string): PartialResults {
  const results: PartialResults = {
    passed: 0,
    failed: 0,
    unfinished: undefined,
  };
  for (const line of output.replaceAll(NOISE, "").split("\n")) {
    const ended = line.match(
      /^ *(.*) \.\.\. .*\b(ok|FAILED|ignored|cancelled)\b/,
    );
    if (ended) {
      if (ended[2] === "ok") results.passed++;
      else results.failed++;
      results.unfinished = undefined;
      continue;
    }
    const begun = line.match(/^(\S.*) \.\.\.$/);
    if (begun) results.unfinished = begun[1];
  }
  if (results.unfinished !== undefined) results.failed++;
  return results;
}

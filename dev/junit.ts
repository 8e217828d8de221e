// SPDX-License-Identifier: Apache-2.0
/** Counts the test cases of a JUnit report. */

/** How many tests passed and failed. */
export interface Results {
  passed: number;
  failed: number;
}

/** Counts a report's cases; one with a failure or an error in it has failed, an ignored one counts as failed: nothing is skipped silently. */
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

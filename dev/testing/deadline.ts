// SPDX-License-Identifier: Apache-2.0
/**
 * Gives every test a deadline; loaded by `deno test --preload`. The error that the timer throws
 * fails the test and cancels the rest of its file; other files continue. A hook instead of a
 * wrapper around `Deno.test` keeps the test's own location in the report.
 */

/** Environment variable with the deadline in milliseconds. */
export const TEST_TIMEOUT = "ARANYA_TEST_TIMEOUT_MS";

const timeoutMs = Number(Deno.env.get(TEST_TIMEOUT));

if (timeoutMs > 0) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  Deno.test.beforeEach(() => {
    timer = setTimeout(() => {
      throw new Error(
        `Cannot finish the test: still running after ${timeoutMs} ms`,
      );
    }, timeoutMs);
  });
  Deno.test.afterEach(() => clearTimeout(timer));
}

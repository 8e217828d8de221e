// SPDX-License-Identifier: Apache-2.0
/** Waiting for a condition in tests of the operator's rooms. */
import { until as untilSeen } from "../../../dev/base/wait.ts";

/**
 * Resolves once `check` returns true. Polls every 5 ms; what `check` throws counts as false.
 * @throws {AranyaError} code "timed_out" after ten seconds; names `what`
 */
export async function until(
  check: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  await untilSeen(check, { what, timeoutMs: 10_000, intervalMs: 5 });
}

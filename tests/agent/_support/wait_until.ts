// SPDX-License-Identifier: Apache-2.0
/** Waits for a condition, at most ten seconds. */
import { SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";

const DEADLINE_MS = 10_000;
const POLL_INTERVAL_MS = 5;

/**
 * Resolves when the condition holds.
 * @param what names the condition in the error
 * @throws {Error} after ten seconds
 */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what = String(condition),
): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!await condition()) {
    if (performance.now() > deadlineMs) {
      throw new Error(`Cannot wait any longer for ${what}`);
    }
    await SYSTEM_CLOCK.sleep(POLL_INTERVAL_MS);
  }
}

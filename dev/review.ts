// SPDX-License-Identifier: Apache-2.0
/**
 * `deno task review`: prints what a reviewer may want to look at, see dev/rules/signals.ts.
 * These are signals, not failures: the exit code is always 0.
 */
import { print } from "./base/terminal.ts";
import { findSignals, readSources } from "./rules/signals.ts";

if (import.meta.main) {
  for (const { heading, signals } of findSignals(await readSources())) {
    print(`\n${heading}: ${signals.length}`);
    for (const { text } of signals) print(`  ${text}`);
  }
}

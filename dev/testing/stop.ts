// SPDX-License-Identifier: Apache-2.0
/** Ends a run of the tests early, with everything that it has started. */

const stopping = new AbortController();

/** Aborted with an Error when the run is to end: no more tests start, those that run are killed. */
export const STOP: AbortSignal = stopping.signal;

/**
 * Ends the run on SIGINT and SIGTERM, so that it can still print what has failed until then. A
 * second signal ends this process at once.
 */
export function stopOnSignals(): void {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => {
      if (STOP.aborted) Deno.exit(1);
      stopping.abort(new Error(`Cannot run all tests: stopped by ${name}`));
    });
  }
}

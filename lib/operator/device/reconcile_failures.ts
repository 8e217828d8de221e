// SPDX-License-Identifier: Apache-2.0
/** What of failed reconciliations is shown in the status. */
import { hasCode } from "../../shared/base/mod.ts";
import { type ReconcileError, toReconcileError } from "./status.ts";

/** So many reconciliations in a row may fail for a passing reason before the status shows it. */
const MAX_SILENT_COUNT = 2;

/**
 * Decides which error the condition Ready shows. A refusal is shown at once; an error that may pass
 * by itself, such as a conflict with another client, only when it lasts, so that `Ready` and its
 * transition time don't change for nothing.
 */
export class ReconcileFailures {
  #passingCount = 0;
  #reported: ReconcileError | undefined;

  /** The error to show; undefined: none. */
  get reported(): ReconcileError | undefined {
    return this.#reported;
  }

  /** Takes the errors of one reconciliation, which was completed when there are none. */
  record(errors: readonly unknown[]): void {
    const refusal = errors.find((error) => !mayPass(error));
    if (refusal !== undefined) {
      this.#reported = toReconcileError(refusal);
    } else if (errors.length === 0) {
      this.#reported = undefined;
      this.#passingCount = 0;
    } else if (++this.#passingCount > MAX_SILENT_COUNT) {
      this.#reported = toReconcileError(errors[0]);
    }
  }
}

/** Returns whether a retry may succeed without a correction by a user. */
export function mayPass(error: unknown): boolean {
  return hasCode(
    error,
    "conflict",
    "unavailable",
    "timed_out",
    "cancelled",
    "unauthorized",
  );
}

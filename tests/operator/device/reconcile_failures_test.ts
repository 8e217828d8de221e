// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { ReconcileFailures } from "../../../lib/operator/device/reconcile_failures.ts";
import { AranyaError } from "../../../lib/shared/base/mod.ts";

const CONFLICT = new AranyaError("conflict", "Cannot patch nodes: changed");
const REFUSAL = new AranyaError("forbidden", "Cannot create pods: no");
const SHOWN_REFUSAL = { reason: "Forbidden", message: REFUSAL.message };
const SHOWN_CONFLICT = { reason: "Conflict", message: CONFLICT.message };

Deno.test("record() shows a refusal at once, and prefers it to an error that may pass", () => {
  const failures = new ReconcileFailures();
  failures.record([CONFLICT, REFUSAL]);
  assert.deepEqual(failures.reported, SHOWN_REFUSAL);
});

Deno.test("record() shows an error that may pass the third time in a row", () => {
  const failures = new ReconcileFailures();
  const shown = [[CONFLICT], [CONFLICT], [], [CONFLICT], [CONFLICT], [
    CONFLICT,
  ]].map((errors) => {
    failures.record(errors);
    return failures.reported;
  });
  assert.deepEqual(shown, [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    SHOWN_CONFLICT,
  ]);
});

Deno.test("record() keeps what is shown until a reconciliation is completed", () => {
  const failures = new ReconcileFailures();
  failures.record([REFUSAL]);
  failures.record([CONFLICT]);
  assert.deepEqual(failures.reported, SHOWN_REFUSAL);
  failures.record([]);
  assert.equal(failures.reported, undefined);
});

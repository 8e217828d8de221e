// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { negotiateVersion } from "../../../lib/shared/wire/mod.ts";

Deno.test("negotiateVersion() returns the highest version that both sides support", () => {
  const own = { min: 2, max: 4 };
  assert.equal(negotiateVersion({ min: 1, max: 3 }, own), 3);
  assert.equal(negotiateVersion({ min: 4, max: 9 }, own), 4);
  assert.equal(negotiateVersion({ min: 1, max: 1 }), 1);
});

Deno.test("negotiateVersion() returns undefined when the ranges don't overlap", () => {
  const own = { min: 2, max: 4 };
  assert.equal(negotiateVersion({ min: 5, max: 9 }, own), undefined);
  assert.equal(negotiateVersion({ min: 1, max: 1 }, own), undefined);
});

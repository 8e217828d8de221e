// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { CASES } from "../../../dev/parity/cases/all_cases.ts";

Deno.test("the parity table has at least 150 pods, each with its own name", () => {
  const names = new Set(CASES.map(({ name }) => name));
  assert.equal(names.size, CASES.length);
  assert.ok(CASES.length >= 150, `${CASES.length} cases`);
});

Deno.test("about a third of the parity table is fast", () => {
  const fastCount = CASES.filter(({ isFast }) => isFast).length;
  assert.ok(fastCount * 4 >= CASES.length, `${fastCount} of ${CASES.length}`);
});

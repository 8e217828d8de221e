// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toRfc3339, toRfc3339Micro } from "../../../lib/shared/base/time.ts";

const TIME_MS = Date.UTC(2026, 4, 3, 2, 1, 0) + 987;

Deno.test("toRfc3339() cuts the fraction off", () => {
  assert.equal(toRfc3339(TIME_MS), "2026-05-03T02:01:00Z");
  assert.equal(toRfc3339(BigInt(TIME_MS)), "2026-05-03T02:01:00Z");
  assert.equal(toRfc3339(0), "1970-01-01T00:00:00Z");
});

Deno.test("toRfc3339() throws for what Date can't hold", () => {
  assert.throws(() => toRfc3339(NaN), RangeError);
  assert.throws(() => toRfc3339(10n ** 18n), RangeError);
});

Deno.test("toRfc3339Micro() has six digits of fraction", () => {
  assert.equal(toRfc3339Micro(TIME_MS), "2026-05-03T02:01:00.987000Z");
});

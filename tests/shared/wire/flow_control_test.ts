// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  INITIAL_CREDIT_BYTES,
  toDataCost,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("toDataCost() returns 64 plus the length of the payload, channel number included", () => {
  assert.equal(toDataCost(0), 65);
  assert.equal(toDataCost(1_000), 1_065);
});

Deno.test("INITIAL_CREDIT_BYTES is the value of proto/aranya.proto", () => {
  assert.equal(INITIAL_CREDIT_BYTES, 262_144);
});

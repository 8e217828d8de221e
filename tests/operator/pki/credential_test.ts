// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createCredential } from "../../../lib/operator/pki/mod.ts";

Deno.test("createCredential() returns 32 other bytes on each call", () => {
  assert.equal(createCredential().length, 32);
  assert.notDeepEqual(createCredential(), createCredential());
});

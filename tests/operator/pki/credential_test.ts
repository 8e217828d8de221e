// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createCredential,
  credentialFingerprint,
} from "../../../lib/operator/pki/mod.ts";

Deno.test("createCredential() gives 32 bytes, each time others", () => {
  assert.equal(createCredential().length, 32);
  assert.notDeepEqual(createCredential(), createCredential());
});

Deno.test("credentialFingerprint() names a credential without giving it away", async () => {
  const name = await credentialFingerprint(new Uint8Array(32));
  assert.equal(name, "66687aadf862bd77");
});

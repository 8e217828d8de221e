// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { checkServerTls } from "../../../lib/shared/link/server_tls.ts";
import { createAuthority } from "../../../lib/operator/pki/mod.ts";

Deno.test("checkServerTls() accepts only a certificate with its own key", async () => {
  const one = await createAuthority({ name: "one" });
  const other = await createAuthority({ name: "other" });
  checkServerTls(one);
  assert.throws(() => checkServerTls({ cert: one.cert, key: other.key }), {
    code: "invalid",
    message: "Cannot use server certificate: the key belongs to another one",
  });
  assert.throws(() => checkServerTls({ cert: "", key: one.key }), {
    code: "invalid",
    message: "Cannot use server certificate: it or its key can't be read",
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  checkTls,
  toListenError,
} from "../../../lib/shared/link/listen_error.ts";
import { createAuthority } from "../../../lib/operator/pki/mod.ts";

Deno.test("toListenError() names the address and what is wrong with it", () => {
  const address = { host: "::", port: 9443 };
  const table = [
    ["EADDRINUSE", "conflict", "the port is taken"],
    ["EACCES", "forbidden", "this process may not use the port"],
    ["EADDRNOTAVAIL", "unavailable", "the address is none of this machine"],
    ["EOTHER", "unavailable", "odd"],
  ] as const;
  for (const [systemCode, code, why] of table) {
    const cause = Object.assign(new Error("odd"), { code: systemCode });
    const error = toListenError(cause, address);
    assert.equal(error.code, code);
    assert.equal(error.message, `Cannot listen on [::]:9443: ${why}`);
    assert.equal(error.cause, cause);
  }
});

Deno.test("checkTls() takes a pair that fits only", async () => {
  const one = await createAuthority({ name: "one" });
  const other = await createAuthority({ name: "other" });
  checkTls(one);
  assert.throws(() => checkTls({ cert: one.cert, key: other.key }), {
    code: "invalid",
    message: /the key is not that of the certificate$/,
  });
  assert.throws(() => checkTls({ cert: "", key: one.key }), {
    code: "invalid",
  });
});

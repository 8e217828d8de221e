// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toListenError } from "../../../lib/shared/base/listen_error.ts";

Deno.test("toListenError() translates the codes of the system", () => {
  const foreign = "the address doesn't belong to this machine";
  const forbidden = "this process may not use the port";
  const table = [
    ["EADDRINUSE", "conflict", "the port is taken"],
    ["EACCES", "forbidden", forbidden],
    ["EPERM", "forbidden", forbidden],
    ["EADDRNOTAVAIL", "unavailable", foreign],
    ["EINVAL", "unavailable", foreign],
    ["ENOTFOUND", "unavailable", "the name can't be resolved"],
    ["EOTHER", "unavailable", "odd"],
  ] as const;
  for (const [systemCode, code, text] of table) {
    const cause = Object.assign(new Error("odd"), { code: systemCode });
    const error = toListenError(cause, "Cannot listen on [::]:9443");
    assert.equal(error.code, code);
    assert.equal(error.message, `Cannot listen on [::]:9443: ${text}`);
    assert.equal(error.cause, cause);
  }
});

Deno.test("toListenError() keeps the text of what isn't an error", () => {
  const { code, message } = toListenError("odd", "Cannot listen on a:1");
  assert.equal(code, "unavailable");
  assert.equal(message, "Cannot listen on a:1: odd");
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  isStreamMethod,
  Method,
  toMethodName,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("isStreamMethod() is true for the methods that use channels", () => {
  const streams = [
    Method.EXEC,
    Method.ATTACH,
    Method.LOGS,
    Method.PORT_FORWARD,
  ];
  for (const method of Object.values(Method)) {
    const expected = streams.includes(method as typeof streams[number]);
    assert.equal(isStreamMethod(method), expected, toMethodName(method));
  }
});

Deno.test("isStreamMethod() follows bit 0x10 when the method is unknown", () => {
  assert.equal(isStreamMethod(48 as Method), true);
  assert.equal(isStreamMethod(64 as Method), false);
});

Deno.test("toMethodName() returns the number when the method is unknown", () => {
  assert.equal(toMethodName(Method.LIST_PODS), "LIST_PODS");
  assert.equal(toMethodName(999 as Method), "999");
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  agreeOnVersion,
  isStreamMethod,
  Method,
  methodName,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("agreeOnVersion() takes the highest that both speak", () => {
  const own = { min: 2, max: 4 };
  assert.equal(agreeOnVersion({ min: 1, max: 3 }, own), 3);
  assert.equal(agreeOnVersion({ min: 4, max: 9 }, own), 4);
  assert.equal(agreeOnVersion({ min: 5, max: 9 }, own), undefined);
  assert.equal(agreeOnVersion({ min: 1, max: 1 }, own), undefined);
  assert.equal(agreeOnVersion({ min: 1, max: 1 }), 1);
});

Deno.test("isStreamMethod() tells streams from requests by the method's number", () => {
  const streams = [
    Method.EXEC,
    Method.ATTACH,
    Method.LOGS,
    Method.PORT_FORWARD,
  ];
  for (const method of Object.values(Method)) {
    const expected = streams.includes(method as typeof streams[number]);
    assert.equal(isStreamMethod(method), expected, methodName(method));
  }
  assert.equal(isStreamMethod(48 as Method), true);
});

Deno.test("methodName() names what it knows", () => {
  assert.equal(methodName(Method.LIST_PODS), "LIST_PODS");
  assert.equal(methodName(999 as Method), "999");
});

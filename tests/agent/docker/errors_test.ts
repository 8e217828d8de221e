// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { fromDialError, fromStatus } from "../../../lib/agent/docker/errors.ts";

Deno.test("fromStatus() keeps the engine's sentence and maps its status", () => {
  const cases: [number, string, string, string][] = [
    [404, '{"message":"no such image"}', "not_found", "no such image"],
    [409, '{"message":"name in use"}', "conflict", "name in use"],
    [400, '{"message":"bad"}', "invalid", "bad"],
    [500, "plain words", "internal", "plain words"],
    [418, "", "internal", "Docker answered 418"],
  ];
  for (const [status, body, code, state] of cases) {
    const error = fromStatus(status, utf8(body), "Cannot do it");
    assert.equal(error.code, code);
    assert.equal(error.message, `Cannot do it: ${state}`);
  }
});

Deno.test("fromDialError() names the socket and what to do", () => {
  const error = fromDialError(new Deno.errors.PermissionDenied(), "unix:///s");
  assert.equal(
    error.message,
    'Cannot reach Docker at "unix:///s": this user may not open it, expected a running engine there (see runtime.docker.host)',
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import {
  fromBrokenConnection,
  fromDialError,
  fromStatus,
  isEngineUnreachable,
} from "../../../lib/agent/docker/errors.ts";

Deno.test("fromStatus() maps the status to a code and keeps the engine's sentence", () => {
  const cases: [number, string, string, string][] = [
    [404, '{"message":"no such image"}', "not_found", "no such image"],
    [409, '{"message":"name in use"}', "conflict", "name in use"],
    [400, '{"message":"bad"}', "invalid", "bad"],
    [500, "plain text", "internal", "plain text"],
    [418, "", "internal", "Docker returned status 418"],
  ];
  for (const [status, body, code, state] of cases) {
    const error = fromStatus(status, {
      body: utf8(body),
      action: "Cannot do it",
    });
    assert.equal(error.code, code);
    assert.equal(error.message, `Cannot do it: ${state}`);
  }
});

for (
  const [error, state] of [
    [new Deno.errors.NotFound(), "no such socket"],
    [new Deno.errors.ConnectionRefused(), "connection refused"],
    [new Deno.errors.PermissionDenied(), "permission denied"],
    [new Error("no route to host"), "no route to host"],
  ] as const
) {
  Deno.test(`fromDialError() names host, state "${state}" and setting`, () => {
    const failure = fromDialError(error, "unix:///s");
    const { code, message } = failure;
    assert.equal(code, "unavailable");
    assert.equal(isEngineUnreachable(failure), true);
    assert.equal(
      message,
      `Cannot connect to Docker at "unix:///s": ${state}, expected a running engine (runtime.docker.host in agent.yaml)`,
    );
  });
}

Deno.test("fromBrokenConnection() keeps the error as text and cause", () => {
  const cause = new Error("Broken pipe");
  const error = fromBrokenConnection(cause, "Cannot do it");
  assert.equal(error.code, "unavailable");
  assert.equal(
    error.message,
    "Cannot do it: the connection to Docker failed (Broken pipe)",
  );
  assert.equal(error.cause, cause);
  assert.equal(isEngineUnreachable(error), true);
});

Deno.test("isEngineUnreachable() is false for an answer of the engine", () => {
  const error = fromStatus(503, { body: utf8("{}"), action: "Cannot do it" });
  assert.equal(error.code, "unavailable");
  assert.equal(isEngineUnreachable(error), false);
  assert.equal(isEngineUnreachable(new Error("x")), false);
});

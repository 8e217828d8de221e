// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import {
  isExpired,
  isOtherUid,
  toCallError,
  toKubeError,
} from "../../../lib/operator/kube/kube_error.ts";

Deno.test("toKubeError() has a code for every status", () => {
  const cases: [number, string, string][] = [
    [400, "", "invalid"],
    [401, "", "unauthorized"],
    [403, "", "forbidden"],
    [404, "", "not_found"],
    [409, "AlreadyExists", "already_exists"],
    [409, "Conflict", "conflict"],
    [410, "Expired", "not_found"],
    [413, "", "too_large"],
    [422, "Invalid", "invalid"],
    [429, "", "unavailable"],
    [500, "InternalError", "unavailable"],
    [503, "", "unavailable"],
    [504, "Timeout", "timed_out"],
  ];
  for (const [status, reason, code] of cases) {
    const body = JSON.stringify({ reason, message: "m" });
    const error = toKubeError({ status, body, action: "get x" });
    assert.equal(error.code, code, `${status} ${reason}`);
    assert.equal(error.message, "Cannot get x: m");
    assert.equal(isExpired(error), status === 410);
  }
});

Deno.test("toKubeError() has the code conflict when a patch names another UID", () => {
  const toError = (field: string, status = 422) =>
    toKubeError({
      status,
      body: JSON.stringify({
        reason: "Invalid",
        message: `Pod "x" is invalid: ${field}: Invalid value`,
        details: { causes: [{ reason: "FieldValueInvalid", field }] },
      }),
      action: "patch x",
    });
  const error = toError("metadata.uid");
  assert.equal(error.code, "conflict");
  assert.equal(error.message, "Cannot patch x: another object has its name");
  assert.equal(isOtherUid(error), true);
  const other = toError("metadata.name");
  assert.equal(other.code, "invalid");
  assert.equal(isOtherUid(other), false);
  assert.equal(isOtherUid(toError("", 409)), false);
});

Deno.test("toKubeError() takes the first line when the body is not a Status", () => {
  assert.equal(
    toKubeError({ status: 502, body: "<html>\nbad", action: "get x" }).message,
    "Cannot get x: <html>",
  );
  assert.equal(
    toKubeError({ status: 502, body: "", action: "get x" }).message,
    "Cannot get x: the API server answered 502",
  );
});

Deno.test("toCallError() names the action when the error does not", () => {
  const cases: [unknown, string, string][] = [
    [
      new AranyaError("unavailable", "connection refused"),
      "unavailable",
      "Cannot get x: the API server can't be reached: connection refused",
    ],
    [new AranyaError("invalid", "Cannot read y"), "invalid", "Cannot read y"],
    [new SyntaxError("no JSON"), "internal", "Cannot get x: no JSON"],
  ];
  for (const [error, code, message] of cases) {
    const { code: actualCode, message: actual } = toCallError(error, "get x");
    assert.deepEqual([actualCode, actual], [code, message]);
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  asAranyaError,
  ERROR_FACES,
  hasCode,
  isErrorCode,
} from "../../../lib/shared/base/mod.ts";

Deno.test("asAranyaError() returns the same error when it is ours", () => {
  const error = new AranyaError("conflict", "Cannot start pod: it is stopping");
  assert.equal(asAranyaError(error, "Cannot start pod"), error);
});

Deno.test("asAranyaError() keeps the foreign error as its cause", () => {
  const cause = new Error("disk full");
  const error = asAranyaError(cause, 'Cannot write state of pod "a/b"');
  assert.equal(error.code, "internal");
  assert.equal(error.message, 'Cannot write state of pod "a/b": disk full');
  assert.equal(error.cause, cause);
});

Deno.test("asAranyaError() tells aborts from time-outs", () => {
  assert.equal(
    asAranyaError(new DOMException("x", "AbortError"), "Cannot exec").code,
    "cancelled",
  );
  assert.equal(
    asAranyaError(new DOMException("x", "TimeoutError"), "Cannot exec").code,
    "timed_out",
  );
});

Deno.test("isErrorCode() refuses names that every object has", () => {
  assert.equal(isErrorCode("not_found"), true);
  assert.equal(isErrorCode("constructor"), false);
});

Deno.test("ERROR_FACES gives each code an HTTP status of the 4xx or 5xx range", () => {
  for (const [code, face] of Object.entries(ERROR_FACES)) {
    assert.ok(face.httpStatus >= 400 && face.httpStatus < 600, code);
  }
});

Deno.test("hasCode() knows our errors by their codes and no others", () => {
  const error = new AranyaError("not_found", "Cannot get pod: it is absent");
  assert.equal(hasCode(error, "not_found"), true);
  assert.equal(hasCode(error, "conflict", "not_found"), true);
  assert.equal(hasCode(error, "conflict"), false);
  assert.equal(
    hasCode(Object.assign(new Error(), { code: "not_found" }), "not_found"),
    false,
  );
  assert.equal(hasCode(undefined, "not_found"), false);
});

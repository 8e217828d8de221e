// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  asAranyaError,
  ERROR_MAPPINGS,
  hasCode,
  isErrorCode,
} from "../../../lib/shared/base/mod.ts";

Deno.test("asAranyaError() returns an AranyaError unchanged", () => {
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

Deno.test("asAranyaError() translates AbortError and TimeoutError", () => {
  assert.equal(
    asAranyaError(new DOMException("x", "AbortError"), "Cannot exec").code,
    "cancelled",
  );
  assert.equal(
    asAranyaError(new DOMException("x", "TimeoutError"), "Cannot exec").code,
    "timed_out",
  );
});

Deno.test("isErrorCode() rejects names of Object.prototype", () => {
  assert.equal(isErrorCode("not_found"), true);
  assert.equal(isErrorCode("constructor"), false);
});

Deno.test("ERROR_MAPPINGS gives each code an HTTP status of the 4xx or 5xx range", () => {
  for (const [code, mapping] of Object.entries(ERROR_MAPPINGS)) {
    assert.ok(mapping.httpStatus >= 400 && mapping.httpStatus < 600, code);
  }
});

Deno.test("hasCode() matches only AranyaErrors with one of the codes", () => {
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

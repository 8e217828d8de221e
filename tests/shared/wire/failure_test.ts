// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  ERROR_MAPPINGS,
  type ErrorCode,
} from "../../../lib/shared/base/mod.ts";
import {
  decodeFailure,
  decodeMessage,
  encodeFailure,
  encodeMessage,
  FailureKind,
  FailureSchema,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("encodeFailure() sends code and message of every error, never its cause", () => {
  for (const code of Object.keys(ERROR_MAPPINGS) as ErrorCode[]) {
    const cause = new Error("secret");
    const error = new AranyaError(code, `Cannot test: ${code}`, { cause });
    const bytes = encodeFailure(error);
    const { kind } = decodeMessage(FailureSchema, bytes);
    assert.equal(kind, FailureKind[ERROR_MAPPINGS[code].wireKind]);
    const again = decodeFailure(bytes);
    assert.deepEqual([again.code, again.message], [code, error.message]);
    assert.equal(again.cause, undefined);
  }
});

Deno.test("decodeFailure() returns the closest code of the kind when the code is unknown", () => {
  const cases: [FailureKind, ErrorCode][] = [
    [FailureKind.TIMEOUT, "timed_out"],
    [FailureKind.NOT_FOUND, "not_found"],
    [FailureKind.COMMON, "internal"],
    [77 as FailureKind, "internal"],
  ];
  for (const [kind, code] of cases) {
    const bytes = encodeMessage(FailureSchema, { code: "quota", kind });
    assert.equal(decodeFailure(bytes).code, code);
  }
});

Deno.test("decodeFailure() throws invalid when the bytes are not a Failure", () => {
  assert.throws(() => decodeFailure(Uint8Array.of(0x0a, 0x50, 1)), {
    code: "invalid",
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toFileReason } from "../../../lib/shared/base/mod.ts";

Deno.test("toFileReason() ends a sentence about a file", () => {
  const cases: [unknown, string][] = [
    [new Deno.errors.NotFound("os error 2"), "the file does not exist"],
    [new Deno.errors.PermissionDenied(""), "no permission to read it"],
    [new Deno.errors.NotCapable(""), "no permission to read it"],
    [new Deno.errors.IsADirectory(""), "it is a directory"],
    [new Error("first line\nsecond line"), "first line"],
    ["text", "text"],
  ];
  for (const [error, reason] of cases) {
    assert.equal(toFileReason(error), reason);
  }
});

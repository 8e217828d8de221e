// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { toSafeText } from "../../../lib/shared/base/mod.ts";

Deno.test("toSafeText() cuts a long text and replaces control characters", () => {
  for (
    const [text, expected] of [
      ["wrong key", "wrong key"],
      ["a\nb\u001b[31mc\u0085", "a b [31mc "],
      ["x".repeat(99), "x".repeat(20)],
    ] as const
  ) {
    assert.equal(toSafeText(text, { maxLength: 20 }), expected);
  }
});

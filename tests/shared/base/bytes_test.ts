// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  concatBytes,
  cutUtf8,
  equalBytes,
  fromHex,
  fromUtf8,
  sha256Hex,
  toHex,
  utf8,
} from "../../../lib/shared/base/mod.ts";

Deno.test("concatBytes() joins parts in order", () => {
  assert.deepEqual(concatBytes([utf8("a"), utf8(""), utf8("bc")]), utf8("abc"));
});

Deno.test("equalBytes() compares length and content", () => {
  assert.equal(equalBytes(utf8("ab"), utf8("ab")), true);
  assert.equal(equalBytes(utf8("ab"), utf8("ac")), false);
  assert.equal(equalBytes(utf8("ab"), utf8("abc")), false);
});

Deno.test("fromHex() is the inverse of toHex()", () => {
  assert.equal(toHex(fromHex("00ff10")), "00ff10");
  assert.throws(() => fromHex("0"), SyntaxError);
  assert.throws(() => fromHex("zz"), SyntaxError);
});

Deno.test("sha256Hex() returns the digest of the empty input", async () => {
  assert.equal(
    await sha256Hex(new Uint8Array()),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});

Deno.test("fromUtf8() replaces bytes that are not UTF-8", () => {
  assert.equal(fromUtf8(Uint8Array.of(0x61, 0xff)), "a\ufffd");
});

Deno.test("cutUtf8() returns whole characters that have at most this many bytes", () => {
  const cases = [
    { text: "abc", maxBytes: 2, expected: "ab" },
    { text: "abc", maxBytes: 3, expected: "abc" },
    { text: "äb", maxBytes: 1, expected: "" },
    { text: "aäb", maxBytes: 3, expected: "aä" },
    { text: "🙂🙂", maxBytes: 7, expected: "🙂" },
    { text: "", maxBytes: 0, expected: "" },
  ];
  for (const { text, maxBytes, expected } of cases) {
    assert.equal(cutUtf8(text, maxBytes), expected);
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  decodeBase64,
  toFileBytes,
} from "../../../lib/operator/podspec/file_content.ts";

Deno.test("toFileBytes() encodes text as UTF-8 and decodes base64", () => {
  assert.deepEqual(
    toFileBytes({ encoding: "utf8", text: "é" }),
    Uint8Array.of(0xc3, 0xa9),
  );
  assert.deepEqual(
    toFileBytes({ encoding: "base64", text: "AP8=" }),
    Uint8Array.of(0, 0xff),
  );
});

Deno.test("decodeBase64() throws for other texts", () => {
  assert.deepEqual(decodeBase64(""), new Uint8Array());
  assert.throws(() => decodeBase64("*"), SyntaxError);
});

Deno.test("decodeBase64() decodes 4 MB in a fraction of a second", () => {
  const bytes = new Uint8Array(4_000_000).map((_, at) => at % 251);
  const text = bytes.toBase64();
  assert.deepEqual(decodeBase64(text), bytes);
  const times = Array.from({ length: 5 }, () => {
    const startMs = performance.now();
    decodeBase64(text);
    return performance.now() - startMs;
  });
  const fastestMs = Math.min(...times);
  assert.ok(fastestMs < 150, `${fastestMs} ms`);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readJsonLines } from "../../../dev/parity/json_lines.ts";

Deno.test("readJsonLines() yields each line's value, whatever the chunks", async () => {
  const text = '{"a":"ü"}\n\n{"a":2}\n';
  const bytes = new TextEncoder().encode(text);
  const stream = ReadableStream.from(
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
  );
  const values = await Array.fromAsync(readJsonLines(stream));
  assert.deepEqual(values, [{ a: "ü" }, { a: 2 }]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { readJsonLines } from "../../../lib/agent/docker/json_lines.ts";

async function* inChunks(text: string, size: number) {
  const bytes = utf8(text);
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await Promise.resolve();
  }
}

Deno.test("readJsonLines() yields an object per line, in chunks of any size", async () => {
  for (const size of [1, 3, 100]) {
    const lines = readJsonLines(inChunks('{"a":"é"}\r\n\n{"b":1}', size));
    assert.deepEqual(await Array.fromAsync(lines), [{ a: "é" }, { b: 1 }]);
  }
});

Deno.test("readJsonLines() throws for a line that is not JSON or too long", async () => {
  for (const text of ["oops\n", "x".repeat(2 * 1024 * 1024)]) {
    await assert.rejects(
      Array.fromAsync(readJsonLines(inChunks(text, 65_536))),
      { code: "internal" },
    );
  }
});

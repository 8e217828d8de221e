// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { readTerminalSizes } from "../../../lib/operator/streaming/terminal_sizes.ts";
import { Pipe } from "../../../dev/base/pipe.ts";

async function* chunksOf(texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield utf8(text);
}

Deno.test("readTerminalSizes() reads sizes one byte at a time", async () => {
  const pipe = new Pipe<Uint8Array>();
  const sizes = readTerminalSizes(pipe.readable)[Symbol.asyncIterator]();
  for (const char of '{"Width":80,"Height":24}\n') await pipe.write(utf8(char));
  assert.deepEqual((await sizes.next()).value, { width: 80, height: 24 });
  for (const char of '{"Width":1,"Height":2}') await pipe.write(utf8(char));
  assert.deepEqual((await sizes.next()).value, { width: 1, height: 2 });
  pipe.end();
  assert.equal((await sizes.next()).done, true);
});

Deno.test("readTerminalSizes() yields only the latest size to a slow reader", async () => {
  const many = Array.from(
    { length: 50 },
    (_, index) => `{"Width":${index},"Height":9}`,
  );
  const sizes = readTerminalSizes(chunksOf([many.join("")]));
  // Lets it collect all sizes before the first one is read.
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(await Array.fromAsync(sizes), [{ width: 49, height: 9 }]);
});

for (
  const text of [
    "}",
    '{"Width":-1,"Height":2}',
    '{"Width":1.5,"Height":2}',
    '{"Width":70000,"Height":2}',
    "[1]}",
    "x".repeat(5_000),
  ]
) {
  Deno.test(`readTerminalSizes() ends at ${JSON.stringify(text.slice(0, 30))}`, async () => {
    const texts = [text, '{"Width":1,"Height":2}'];
    assert.deepEqual(
      await Array.fromAsync(readTerminalSizes(chunksOf(texts))),
      [],
    );
  });
}

Deno.test("readTerminalSizes() ends without an error when the stream is reset", async () => {
  const pipe = new Pipe<Uint8Array>();
  pipe.fail(new Error("reset"));
  assert.deepEqual(await Array.fromAsync(readTerminalSizes(pipe.readable)), []);
});

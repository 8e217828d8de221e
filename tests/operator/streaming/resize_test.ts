// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { readSizes } from "../../../lib/operator/streaming/resize.ts";
import { Pipe } from "../../../dev/base/pipe.ts";

async function* chunksOf(texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield utf8(text);
}

Deno.test("readSizes() reads sizes that are cut anywhere", async () => {
  const pipe = new Pipe<Uint8Array>();
  const sizes = readSizes(pipe.readable)[Symbol.asyncIterator]();
  for (const char of '{"Width":80,"Height":24}\n') await pipe.write(utf8(char));
  assert.deepEqual((await sizes.next()).value, { width: 80, height: 24 });
  for (const char of '{"Width":1,"Height":2}') await pipe.write(utf8(char));
  assert.deepEqual((await sizes.next()).value, { width: 1, height: 2 });
  pipe.end();
  assert.equal((await sizes.next()).done, true);
});

Deno.test("readSizes() gives a slow reader the latest only", async () => {
  const many = Array.from(
    { length: 50 },
    (_, index) => `{"Width":${index},"Height":9}`,
  );
  const sizes = readSizes(chunksOf([many.join("")]));
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
  Deno.test(`readSizes() ends at ${JSON.stringify(text.slice(0, 30))}`, async () => {
    const texts = [text, '{"Width":1,"Height":2}'];
    assert.deepEqual(await Array.fromAsync(readSizes(chunksOf(texts))), []);
  });
}

Deno.test("readSizes() ends without a throw when its stream was reset", async () => {
  const pipe = new Pipe<Uint8Array>();
  pipe.fail(new Error("reset"));
  assert.deepEqual(await Array.fromAsync(readSizes(pipe.readable)), []);
});

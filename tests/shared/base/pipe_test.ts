// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createPipe } from "../../../lib/shared/base/mod.ts";

Deno.test("createPipe() gives items in order and ends", async () => {
  const pipe = createPipe<number>({ capacity: 10 });
  await pipe.write(1);
  await pipe.write(2);
  pipe.end();
  assert.deepEqual(await Array.fromAsync(pipe.readable), [1, 2]);
});

Deno.test("createPipe() holds the writer back above its capacity", async () => {
  const pipe = createPipe<Uint8Array>({
    capacity: 4,
    sizeOf: (bytes) => bytes.length,
  });
  await pipe.write(new Uint8Array(4));
  let written = false;
  const writing = pipe.write(new Uint8Array(1)).then(() => written = true);
  await Promise.resolve();
  assert.equal(written, false);
  const reader = pipe.readable[Symbol.asyncIterator]();
  await reader.next();
  await writing;
  assert.equal(written, true);
});

Deno.test("createPipe() fails blocked writers when the reader leaves", async () => {
  const pipe = createPipe<number>();
  await pipe.write(1);
  const blocked = Promise.allSettled([pipe.write(2), pipe.write(3)]);
  for await (const _item of pipe.readable) break;
  const outcomes = await blocked;
  assert.deepEqual(outcomes.map((outcome) => outcome.status), [
    "rejected",
    "rejected",
  ]);
  await assert.rejects(pipe.write(4), /reader has left/);
});

Deno.test("createPipe() throws the failure at the reader and drops what is left", async () => {
  const pipe = createPipe<number>({ capacity: 5 });
  await pipe.write(1);
  pipe.fail(new Error("reset"));
  await assert.rejects(Array.fromAsync(pipe.readable), /reset/);
  await assert.rejects(pipe.write(2), /reset/);
});

Deno.test("createPipe() ends a reader that waits", async () => {
  const pipe = createPipe<number>();
  const reading = Array.fromAsync(pipe.readable);
  await Promise.resolve();
  pipe.end();
  pipe.end();
  assert.deepEqual(await reading, []);
});

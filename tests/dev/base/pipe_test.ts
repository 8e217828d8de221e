// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Pipe } from "../../../dev/base/pipe.ts";

Deno.test("Pipe passes items in order and ends", async () => {
  const pipe = new Pipe<number>({ capacity: 10 });
  await pipe.write(1);
  await pipe.write(2);
  pipe.end();
  assert.deepEqual(await Array.fromAsync(pipe.readable), [1, 2]);
});

Deno.test("Pipe.write() blocks above the capacity", async () => {
  const pipe = new Pipe<Uint8Array>({
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

Deno.test("Pipe.write() rejects when the reader has left", async () => {
  const pipe = new Pipe<number>();
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

Deno.test("Pipe.fail() fails both sides and drops buffered items", async () => {
  const pipe = new Pipe<number>({ capacity: 5 });
  await pipe.write(1);
  pipe.fail(new Error("reset"));
  await assert.rejects(Array.fromAsync(pipe.readable), /reset/);
  await assert.rejects(pipe.write(2), /reset/);
});

Deno.test("Pipe.end() ends a waiting reader", async () => {
  const pipe = new Pipe<number>();
  const reading = Array.fromAsync(pipe.readable);
  await Promise.resolve();
  pipe.end();
  pipe.end();
  assert.deepEqual(await reading, []);
});

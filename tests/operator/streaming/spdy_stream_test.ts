// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  concatBytes,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import { HeldStream } from "../../../lib/operator/streaming/spdy_stream.ts";

/** A stream with a host that writes down what it is asked. */
function makeStream() {
  const asked: string[] = [];
  let unread = 0;
  const stream = new HeldStream({
    id: 1,
    headers: {},
    host: {
      send: (_id, { bytes, fin }) => {
        asked.push(`send ${bytes.length}${fin ? " fin" : ""}`);
        return Promise.resolve();
      },
      sendReset: () => void asked.push("reset"),
      consumed: (bytes) => void (unread -= bytes),
      gone: () => void asked.push("gone"),
    },
  });
  const take = (text: string) => {
    unread += text.length;
    stream.take(utf8(text));
  };
  return { stream, asked, take, unread: () => unread };
}

Deno.test("HeldStream is gone when both halves have ended, in either order", () => {
  const first = makeStream();
  first.stream.end();
  assert.deepEqual(first.asked, ["send 0 fin"]);
  first.stream.takeEnd();
  assert.deepEqual(first.asked, ["send 0 fin", "gone"]);
  const second = makeStream();
  second.stream.takeEnd();
  second.stream.end();
  assert.deepEqual(second.asked, ["send 0 fin", "gone"]);
});

Deno.test("HeldStream gives what came before the end, then ends", async () => {
  const { stream, take, unread } = makeStream();
  take("ab");
  take("cd");
  stream.takeEnd();
  assert.equal(unread(), 4);
  const pieces = await Array.fromAsync(stream.readable);
  assert.deepEqual(concatBytes(pieces), utf8("abcd"));
  assert.equal(unread(), 0);
});

Deno.test("HeldStream joins small pieces that wait, up to a packet's length", async () => {
  const { stream, take, unread } = makeStream();
  for (const length of [40_000, 20_000, 6_000, 70_000, 1]) {
    take("x".repeat(length));
  }
  stream.takeEnd();
  const lengths: number[] = [];
  for await (const piece of stream.readable) lengths.push(piece.length);
  assert.deepEqual(lengths, [60_000, 6_000, 70_000, 1]);
  assert.equal(unread(), 0);
});

Deno.test("HeldStream drops what comes after its reader has left", async () => {
  const { stream, take, unread } = makeStream();
  take("ab");
  take("cd");
  for await (const _chunk of stream.readable) break;
  take("ef");
  assert.equal(unread(), 0);
});

Deno.test("HeldStream ends a read that waits when its reader is told to leave", async () => {
  const { stream } = makeStream();
  const reading = Array.fromAsync(stream.readable);
  await stream.readable[Symbol.asyncIterator]().return?.();
  assert.deepEqual(await reading, []);
});

Deno.test("HeldStream counts what it drops when it fails", async () => {
  const { stream, take, unread, asked } = makeStream();
  take("abc");
  stream.fail(new AranyaError("cancelled", "left"));
  stream.fail(new AranyaError("cancelled", "again"));
  assert.equal(unread(), 0);
  assert.deepEqual(asked, ["gone"]);
  await assert.rejects(Array.fromAsync(stream.readable), /left/);
  await assert.rejects(stream.write(utf8("x")), /left/);
});

Deno.test("HeldStream wakes a reader that waits when it is reset", async () => {
  const { stream, asked } = makeStream();
  const { signal } = stream;
  const reading = Array.fromAsync(stream.readable);
  stream.reset();
  stream.reset();
  await assert.rejects(reading, { code: "cancelled" });
  assert.equal(signal.aborted, true);
  assert.deepEqual(asked, ["reset", "gone"]);
});

Deno.test("HeldStream's signal, first asked for after a failure, is aborted", () => {
  const { stream } = makeStream();
  stream.fail(new AranyaError("cancelled", "left"));
  assert.equal(stream.signal.aborted, true);
});

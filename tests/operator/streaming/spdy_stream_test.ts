// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  concatBytes,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import { BufferedSpdyStream } from "../../../lib/operator/streaming/spdy_stream.ts";

/** A stream with a host that records calls. */
function createFixture() {
  const calls: string[] = [];
  let unreadBytes = 0;
  const stream = new BufferedSpdyStream({
    id: 1,
    headers: {},
    host: {
      sendData: (_id, { bytes, fin }) => {
        calls.push(`send ${bytes.length}${fin ? " fin" : ""}`);
        return Promise.resolve();
      },
      sendReset: () => void calls.push("reset"),
      onBytesConsumed: (byteCount) => void (unreadBytes -= byteCount),
      onStreamClosed: () => void calls.push("closed"),
    },
  });
  const receive = (text: string) => {
    unreadBytes += text.length;
    stream.receive(utf8(text));
  };
  return { stream, calls, receive, unreadBytes: () => unreadBytes };
}

Deno.test("BufferedSpdyStream closes when both directions have ended, in either order", () => {
  const first = createFixture();
  first.stream.end();
  assert.deepEqual(first.calls, ["send 0 fin"]);
  first.stream.receiveFin();
  assert.deepEqual(first.calls, ["send 0 fin", "closed"]);
  const second = createFixture();
  second.stream.receiveFin();
  second.stream.end();
  assert.deepEqual(second.calls, ["send 0 fin", "closed"]);
});

Deno.test("BufferedSpdyStream.readable yields what was received before the end", async () => {
  const { stream, receive, unreadBytes } = createFixture();
  receive("ab");
  receive("cd");
  stream.receiveFin();
  assert.equal(unreadBytes(), 4);
  const pieces = await Array.fromAsync(stream.readable);
  assert.deepEqual(concatBytes(pieces), utf8("abcd"));
  assert.equal(unreadBytes(), 0);
});

Deno.test("BufferedSpdyStream.readable joins small chunks up to 64 KiB", async () => {
  const { stream, receive, unreadBytes } = createFixture();
  for (const length of [40_000, 20_000, 6_000, 70_000, 1]) {
    receive("x".repeat(length));
  }
  stream.receiveFin();
  const lengths: number[] = [];
  for await (const piece of stream.readable) lengths.push(piece.length);
  assert.deepEqual(lengths, [60_000, 6_000, 70_000, 1]);
  assert.equal(unreadBytes(), 0);
});

Deno.test("BufferedSpdyStream.receive() drops bytes after the reader has left", async () => {
  const { stream, receive, unreadBytes } = createFixture();
  receive("ab");
  receive("cd");
  for await (const _chunk of stream.readable) break;
  receive("ef");
  assert.equal(unreadBytes(), 0);
});

Deno.test("BufferedSpdyStream.readable ends a waiting read when the iterator returns", async () => {
  const { stream } = createFixture();
  const reading = Array.fromAsync(stream.readable);
  await stream.readable[Symbol.asyncIterator]().return?.();
  assert.deepEqual(await reading, []);
});

Deno.test("BufferedSpdyStream.fail() reports dropped bytes as consumed", async () => {
  const { stream, receive, unreadBytes, calls } = createFixture();
  receive("abc");
  stream.fail(new AranyaError("cancelled", "disconnected"));
  stream.fail(new AranyaError("cancelled", "second"));
  assert.equal(unreadBytes(), 0);
  assert.deepEqual(calls, ["closed"]);
  await assert.rejects(Array.fromAsync(stream.readable), /disconnected/);
  await assert.rejects(stream.write(utf8("x")), /disconnected/);
});

Deno.test("BufferedSpdyStream.reset() rejects a waiting read", async () => {
  const { stream, calls } = createFixture();
  const { signal } = stream;
  const reading = Array.fromAsync(stream.readable);
  stream.reset();
  stream.reset();
  await assert.rejects(reading, { code: "cancelled" });
  assert.equal(signal.aborted, true);
  assert.deepEqual(calls, ["reset", "closed"]);
});

Deno.test("BufferedSpdyStream.signal is aborted when it is first read after a failure", () => {
  const { stream } = createFixture();
  stream.fail(new AranyaError("cancelled", "disconnected"));
  assert.equal(stream.signal.aborted, true);
});

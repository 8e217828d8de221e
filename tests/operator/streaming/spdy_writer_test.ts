// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { SpdyFrameWriter } from "../../../lib/operator/streaming/spdy_writer.ts";
import { openSocketPair, SpdyClient } from "./_support/spdy_client.ts";

const MIB = new Uint8Array(1024 * 1024);

Deno.test("SpdyFrameWriter writes frames in the order of the calls", async () => {
  await using pair = await openSocketPair();
  const client = new SpdyClient(pair.client);
  const writer = new SpdyFrameWriter(pair.server);
  assert.equal(writer.writeControl({ type: "ping", id: 2 }), true);
  writer.writeData({ streamId: 1, fin: false, bytes: utf8("abc") });
  writer.writeData({ streamId: 1, fin: true, bytes: new Uint8Array() });
  assert.equal(writer.writeControl({ type: "ping", id: 4 }), true);
  await client.until(() => client.frames.length === 4);
  assert.deepEqual(
    client.frames.map((frame) => frame.type),
    ["ping", "data", "data", "ping"],
  );
  assert.equal(client.textOf(1), "abc");
  assert.equal(client.hasEnded(1), true);
});

/** Writes until the socket's buffer is full, since the client doesn't read. */
function fillBuffer(writer: SpdyFrameWriter): void {
  for (let count = 0; count < 1000; count++) {
    if (!writer.writeData({ streamId: 1, fin: false, bytes: MIB })) return;
  }
  assert.fail("the buffer has no limit");
}

Deno.test("SpdyFrameWriter.drained() resolves once the client reads again", async () => {
  await using pair = await openSocketPair();
  pair.client.pause();
  const writer = new SpdyFrameWriter(pair.server);
  fillBuffer(writer);
  const drained = writer.drained();
  pair.client.resume();
  await drained;
});

Deno.test("SpdyFrameWriter.releaseWriters() resolves all waits", async () => {
  await using pair = await openSocketPair();
  pair.client.pause();
  const writer = new SpdyFrameWriter(pair.server);
  fillBuffer(writer);
  const waits = [writer.drained(), writer.drained()];
  writer.releaseWriters();
  await Promise.all(waits);
});

Deno.test("SpdyFrameWriter.writeControl() returns false when 256 KiB are unsent", async () => {
  await using pair = await openSocketPair();
  pair.client.pause();
  const writer = new SpdyFrameWriter(pair.server);
  fillBuffer(writer);
  let frameCount = 0;
  while (writer.writeControl({ type: "ping", id: 2 })) frameCount++;
  assert.equal(frameCount, Math.floor(256 * 1024 / 12));
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AckScheduler,
  type AckSource,
} from "../../../lib/shared/session/ack_scheduler.ts";
import { AcksSchema, decodeMessage } from "../../../lib/shared/wire/mod.ts";

function makeScheduler({ maxPacketBytes = 100_000 } = {}): AckScheduler {
  return new AckScheduler({ nowMs: 0, maxPacketBytes });
}

function makeSource(stream: number): AckSource {
  const point = { stream, received: 7n, credit: 0n, channels: [] };
  return { takeAckPoint: () => point };
}

function decodeAck(bytes: Uint8Array | undefined) {
  assert.ok(bytes, "no acknowledgement is due");
  return decodeMessage(AcksSchema, bytes);
}

Deno.test("takeDueAck() returns nothing when nothing was received", () => {
  const acks = makeScheduler();
  assert.equal(acks.dueMs, Infinity);
  assert.equal(acks.takeDueAck(1_000), undefined);
});

Deno.test("takeDueAck() returns a few bytes after a delay, each stream once", () => {
  const acks = makeScheduler();
  const stream = makeSource(5);
  acks.onPacketReceived(100, 0);
  acks.addStream(stream);
  acks.addStream(stream);
  assert.equal(acks.dueMs, 20);
  assert.equal(acks.takeDueAck(19), undefined);
  const { points, linkBytes } = decodeAck(acks.takeDueAck(20));
  assert.deepEqual(points.map(({ stream }) => stream), [5]);
  assert.equal(linkBytes, 100n);
  assert.equal(acks.takeDueAck(1_000), undefined);
});

Deno.test("takeDueAck() returns many bytes at once", () => {
  const acks = makeScheduler();
  acks.onPacketReceived(50_000, 0);
  assert.equal(decodeAck(acks.takeDueAck(0)).linkBytes, 50_000n);
});

Deno.test("takeDueAck() counts all bytes of the link", () => {
  const acks = makeScheduler();
  acks.onPacketReceived(50_000, 0);
  acks.takeDueAck(0);
  acks.onPacketReceived(1_000, 10);
  assert.equal(decodeAck(acks.takeDueAck(30)).linkBytes, 51_000n);
});

Deno.test("onCreditRisen() makes the acknowledgement due at once", () => {
  const acks = makeScheduler();
  acks.onPacketReceived(100, 0);
  acks.onCreditRisen(makeSource(3), 1);
  assert.equal(acks.dueMs, 1);
  const { points } = decodeAck(acks.takeDueAck(1));
  assert.deepEqual(points.map(({ stream }) => stream), [3]);
});

Deno.test("takeDueAck() spreads streams over several acknowledgements when packets are small", () => {
  const acks = makeScheduler({ maxPacketBytes: 200 });
  acks.onPacketReceived(100, 0);
  for (const id of [1, 3, 5]) acks.addStream(makeSource(id));
  const idsOf = (bytes: Uint8Array | undefined) =>
    decodeAck(bytes).points.map(({ stream }) => stream);
  assert.deepEqual(idsOf(acks.takeDueAck(20)), [1, 3]);
  assert.deepEqual(idsOf(acks.takeDueAck(20)), [5]);
  assert.equal(acks.takeDueAck(20), undefined);
});

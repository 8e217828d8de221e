// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  GrpcLink,
  type PacketCall,
} from "../../../lib/shared/link/grpc_link.ts";

/** A call whose events come from the test. */
class FakeCall implements PacketCall {
  readonly written: (() => void)[] = [];
  receive: (packet: Uint8Array) => void = () => {};
  paused = false;
  ended = false;
  write(_packet: Uint8Array, done: () => void): void {
    this.written.push(done);
  }
  end(): void {
    this.ended = true;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  on(_event: "data", listener: (packet: Uint8Array) => void): void {
    this.receive = listener;
  }
}

function setUp() {
  const call = new FakeCall();
  let destroyCount = 0;
  const link = new GrpcLink({
    call,
    peer: "10.0.0.1:1",
    maxPacketBytes: 65_536,
    destroy: () => void destroyCount++,
  });
  return { call, link, destroyed: () => destroyCount };
}

Deno.test("GrpcLink.send() waits while more than 256 KiB are unsent", async () => {
  const { call, link } = setUp();
  const packet = new Uint8Array(65_536);
  for (let count = 0; count < 4; count++) await link.send(packet);
  let resolved = false;
  const waiting = link.send(packet).then(() => resolved = true);
  await Promise.resolve();
  assert.equal(resolved, false);
  call.written[0]?.();
  await waiting;
  link.onCallEnded({ reason: "ended" });
});

Deno.test("GrpcLink.send() rejects when the call ends", async () => {
  const { link } = setUp();
  const sends = Array.from(
    { length: 6 },
    () => link.send(new Uint8Array(65_536)),
  );
  link.onCallEnded({ reason: "the cable was pulled" });
  const results = await Promise.allSettled(sends);
  assert.equal(results.filter((each) => each.status === "rejected").length, 2);
  await assert.rejects(link.send(new Uint8Array(1)), {
    code: "unavailable",
    message: /10\.0\.0\.1:1: the link has ended: the cable was pulled$/,
  });
});

Deno.test("GrpcLink.packets pauses the call while it is not read, and resumes it", async () => {
  const { call, link } = setUp();
  for (let count = 0; count < 4; count++) call.receive(new Uint8Array(65_536));
  assert.equal(call.paused, true);
  const packets = link.packets[Symbol.asyncIterator]();
  for (let count = 0; count < 3; count++) await packets.next();
  assert.equal(call.paused, true);
  await packets.next();
  assert.equal(call.paused, false);
  link.onCallEnded({ reason: "ended" });
  assert.equal((await packets.next()).done, true);
});

Deno.test("GrpcLink.packets pauses the call when many empty packets are unread", async () => {
  const { call, link } = setUp();
  for (let count = 0; count < 4096; count++) call.receive(new Uint8Array(0));
  assert.equal(call.paused, true);
  const packets = link.packets[Symbol.asyncIterator]();
  for (let count = 0; count < 4096; count++) await packets.next();
  assert.equal(call.paused, false);
  link.onCallEnded({ reason: "ended" });
});

Deno.test("GrpcLink.packets returns what was received before the end", async () => {
  const { call, link } = setUp();
  call.receive(Uint8Array.of(1));
  link.onCallEnded({ reason: "ended" });
  const packets = link.packets[Symbol.asyncIterator]();
  assert.deepEqual((await packets.next()).value, Uint8Array.of(1));
  assert.equal((await packets.next()).done, true);
});

Deno.test("GrpcLink.onPeerClosed() keeps received packets for a slow reader", async () => {
  const { call, link } = setUp();
  call.receive(Uint8Array.of(1));
  call.receive(Uint8Array.of(2));
  link.onPeerClosed("the agent closed the link");
  await assert.rejects(link.send(Uint8Array.of(3)), { code: "unavailable" });
  assert.equal(call.ended, true);
  link.onCallEnded({ reason: "ended" });
  const received: Uint8Array[] = [];
  for await (const packet of link.packets) received.push(packet);
  assert.deepEqual(received, [Uint8Array.of(1), Uint8Array.of(2)]);
  assert.deepEqual(await link.closed, {
    reason: "the agent closed the link",
  });
});

Deno.test("GrpcLink.close() destroys a call that does not end in time", async () => {
  const { call, link, destroyed } = setUp();
  call.receive(Uint8Array.of(1));
  link.close("enough");
  assert.equal(call.ended, true);
  assert.equal((await link.packets[Symbol.asyncIterator]().next()).done, true);
  assert.deepEqual(await link.closed, { reason: "enough" });
  assert.equal(destroyed(), 1);
});

Deno.test("GrpcLink closes when its reader stops reading", async () => {
  const { call, link } = setUp();
  call.receive(Uint8Array.of(1));
  for await (const packet of link.packets) {
    assert.equal(packet.length, 1);
    break;
  }
  assert.equal(call.ended, true);
  link.onCallEnded({ reason: "ended" });
  assert.deepEqual(await link.closed, { reason: "the reader stopped reading" });
});

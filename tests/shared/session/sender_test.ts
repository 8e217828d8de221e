// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { LinkBudget } from "../../../lib/shared/session/budget.ts";
import { StreamState } from "../../../lib/shared/session/stream_state.ts";
import { AckBook, Sender } from "../../../lib/shared/session/sender.ts";
import {
  AcksSchema,
  decodeEnvelope,
  decodeMessage,
  EnvelopeKind,
  Reassembler,
} from "../../../lib/shared/wire/mod.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

/** A sender whose link notes what it is given. */
function makeSender({ maxPacketBytes = 100_000 } = {}) {
  const clock = new VirtualClock();
  const packets: Uint8Array[] = [];
  const budget = new LinkBudget(clock);
  const acks = new AckBook({ nowMs: clock.monotonicMs(), maxPacketBytes });
  let id = 1;
  const sender = new Sender({
    clock,
    budget,
    acks,
    number: (stream) => stream.id = id += 2,
    link: {
      peer: "test",
      maxPacketBytes,
      send: (packet) => {
        packets.push(packet);
        return Promise.resolve();
      },
      packets: (async function* () {})(),
      closed: new Promise(() => {}),
      close: () => {},
    },
  });
  return { clock, sender, packets, budget, acks };
}

function makeStream({ urgent }: { urgent: boolean }): StreamState {
  return new StreamState({
    opener: true,
    urgent,
    host: {
      maxValueBytes: 1e6,
      changed() {},
      creditRisen() {},
      over() {},
      unknown() {},
    },
    events: {
      data() {},
      ended() {},
      resulted() {},
      finished() {},
      failed() {},
      credits: () => [],
      heldBytes: 0,
    },
  });
}

const kindsOf = (packets: Uint8Array[]) =>
  packets.map((packet) => decodeEnvelope(packet).kind);

Deno.test("Sender sends control first, then requests, then streams' data", async () => {
  const { sender, packets } = makeSender();
  const stream = makeStream({ urgent: false });
  stream.outbox.open(() => utf8("stream"));
  sender.ready(stream);
  const running = sender.run();
  await sender.flushed();
  packets.length = 0;
  void stream.outbox.write(1, utf8("data"));
  sender.ready(stream);
  const request = makeStream({ urgent: true });
  request.outbox.open(() => utf8("request"));
  sender.ready(request);
  sender.control(EnvelopeKind.PING, new Uint8Array(8));
  await sender.flushed();
  const { PING, OPEN, DATA } = EnvelopeKind;
  assert.deepEqual(kindsOf(packets), [PING, OPEN, DATA]);
  sender.stop();
  await running;
});

Deno.test("Sender takes streams in turn and stops at the budget", async () => {
  const { sender, packets, budget } = makeSender();
  const streams = [1, 2, 3].map(() => makeStream({ urgent: false }));
  for (const stream of streams) {
    stream.outbox.open(() => utf8(""));
    void stream.outbox.write(1, new Uint8Array(100_000));
    sender.ready(stream);
  }
  const running = sender.run();
  await sender.flushed();
  const sessions = packets.map((packet) => decodeEnvelope(packet).stream);
  assert.deepEqual(sessions.slice(0, 9), [3, 5, 7, 3, 5, 7, 3, 5, 7]);
  assert.ok(budget.inFlightBytes >= budget.budgetBytes);
  assert.ok(budget.inFlightBytes < budget.budgetBytes + 1_100);
  const before = packets.length;
  sender.control(EnvelopeKind.PING, new Uint8Array(8));
  const request = makeStream({ urgent: true });
  request.outbox.open(() => utf8("goes although the budget is used up"));
  sender.ready(request);
  await sender.flushed();
  const { PING, OPEN } = EnvelopeKind;
  assert.deepEqual(kindsOf(packets.slice(before)), [PING, OPEN]);
  sender.stop();
  await running;
});

Deno.test("Sender parts a repeated envelope that is too large for the present link", async () => {
  const stream = makeStream({ urgent: false });
  stream.id = 9;
  stream.outbox.open(() => new Uint8Array(60_000).fill(3));
  const whole = stream.outbox.cut(9, 65_536);
  stream.outbox.rewind();
  const { sender, packets, budget } = makeSender({ maxPacketBytes: 20_000 });
  sender.ready(stream);
  const running = sender.run();
  await sender.flushed();
  // Acknowledge in time, or the budget ends it.
  const parts = new Reassembler();
  let joined: Uint8Array | undefined;
  let countedBytes = 0;
  for (let index = 0; joined === undefined; index++) {
    const packet = packets[index];
    assert.ok(packet && packet.length <= 20_000);
    const { kind, stream, payload, complete } = decodeEnvelope(packet);
    assert.deepEqual([kind, stream], [EnvelopeKind.PART, 0]);
    joined = parts.push(payload, { complete });
    countedBytes += packet.length;
    budget.acknowledged(countedBytes);
    sender.wake();
    await sender.flushed();
  }
  assert.deepEqual(joined, whole);
  assert.equal(budget.inFlightBytes, 0);
  sender.stop();
  await running;
});

Deno.test("AckBook tells much at once, little after a short while, and nothing twice", async () => {
  const { clock, acks } = makeSender();
  const nowMs = clock.monotonicMs();
  assert.equal(acks.take(nowMs), undefined);
  const stream = makeStream({ urgent: false });
  stream.id = 5;
  acks.received(100, nowMs);
  acks.note(stream);
  acks.note(stream);
  assert.equal(acks.take(nowMs), undefined);
  assert.equal(acks.dueMs, nowMs + 20);
  await clock.pass(20);
  const bytes = acks.take(clock.monotonicMs());
  assert.ok(bytes);
  const { points, linkBytes } = decodeMessage(AcksSchema, bytes);
  assert.deepEqual([points.length, linkBytes], [1, 100n]);
  assert.equal(acks.take(clock.monotonicMs() + 1_000), undefined);
  acks.received(50_000, clock.monotonicMs());
  assert.ok(acks.take(clock.monotonicMs()));
});

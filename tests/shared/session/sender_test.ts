// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import { AckScheduler } from "../../../lib/shared/session/ack_scheduler.ts";
import { LinkBudget } from "../../../lib/shared/session/budget.ts";
import type { StreamPriority } from "../../../lib/shared/session/outbox.ts";
import { Sender } from "../../../lib/shared/session/sender.ts";
import { StreamState } from "../../../lib/shared/session/stream_state.ts";
import {
  decodeEnvelope,
  EnvelopeKind,
  Reassembler,
} from "../../../lib/shared/wire/mod.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const { PING, PONG, ACK, OPEN, DATA, PART, RESET } = EnvelopeKind;

/** A running sender whose link records what it is given. */
function startSender({ maxPacketBytes = 100_000 } = {}) {
  const clock = new VirtualClock();
  const packets: Uint8Array[] = [];
  const budget = new LinkBudget(clock);
  const acks = new AckScheduler({ nowMs: clock.monotonicMs(), maxPacketBytes });
  let nextId = 3;
  const sender = new Sender({
    clock,
    budget,
    controlSources: [{
      kind: ACK,
      take: () => acks.takeDueAck(clock.monotonicMs()),
    }],
    numbering: {
      assignId: (stream) => {
        stream.id = nextId;
        nextId += 2;
      },
    },
    link: {
      peer: "test",
      maxPacketBytes,
      send: (packet) => {
        packets.push(packet);
        return Promise.resolve();
      },
      packets: (async function* () {})(),
      closed: new Promise(() => {}),
      isExclusive: true,
      markAuthenticated: () => {},
      close: () => {},
    },
  });
  const running = sender.run();
  return {
    clock,
    sender,
    packets,
    budget,
    acks,
    /** Waits until nothing more can be sent. */
    flush: () => clock.pass(0),
    async [Symbol.asyncDispose]() {
      sender.stop();
      await running;
    },
  };
}

function makeStream(priority: StreamPriority): StreamState {
  const stream = new StreamState({
    isOpener: true,
    priority,
    owner: {
      maxValueBytes: 1e6,
      onStreamStarted() {},
      onStreamReady() {},
      onCreditRisen() {},
      onStreamClosed() {},
      onUnknownEnvelope() {},
    },
  });
  return stream;
}

/** Returns stream 9, whose OPEN is one packet of more than 60,000 bytes. */
function makeLargeStream(): StreamState {
  const large = makeStream("normal");
  large.id = 9;
  large.outbox.queueOpen(() => new Uint8Array(60_000));
  large.outbox.takePacket(9, 65_536);
  return large;
}

function kindsOf(packets: Uint8Array[]): number[] {
  return packets.map((packet) => decodeEnvelope(packet).kind);
}

/** Acknowledges one packet after the other until the last one sent is of this kind. */
async function acknowledgeUntil(
  kind: EnvelopeKind,
  { sender, packets, budget, flush }: ReturnType<typeof startSender>,
): Promise<void> {
  let receivedBytes = 0;
  for (let index = 0; kindsOf(packets).at(-1) !== kind; index++) {
    const packet = packets[index];
    assert.ok(packet, "the rest was not sent");
    receivedBytes += packet.length;
    budget.onAcknowledged(receivedBytes);
    sender.notify();
    await flush();
  }
}

Deno.test("run() sends link control first, then requests, then data of streams", async () => {
  await using fixture = startSender();
  const { sender, packets, flush } = fixture;
  const stream = makeStream("normal");
  stream.outbox.queueOpen(() => utf8("stream"));
  sender.enqueue(stream);
  await flush();
  packets.length = 0;
  void stream.outbox.write(1, utf8("data"));
  sender.enqueue(stream);
  const request = makeStream("high");
  request.outbox.queueOpen(() => utf8("request"));
  sender.enqueue(request);
  sender.sendControl(PING, new Uint8Array(8));
  await flush();
  assert.deepEqual(kindsOf(packets), [PING, OPEN, DATA]);
});

Deno.test("run() sends streams by round robin until the budget is used up", async () => {
  await using fixture = startSender();
  const { sender, packets, budget, flush } = fixture;
  for (let index = 0; index < 3; index++) {
    const stream = makeStream("normal");
    stream.outbox.queueOpen(() => utf8(""));
    void stream.outbox.write(1, new Uint8Array(100_000));
    sender.enqueue(stream);
  }
  await flush();
  const ids = packets.map((packet) => decodeEnvelope(packet).stream);
  assert.deepEqual(ids.slice(0, 9), [3, 5, 7, 3, 5, 7, 3, 5, 7]);
  assert.ok(budget.inFlightBytes >= budget.budgetBytes);
  assert.ok(budget.inFlightBytes < budget.budgetBytes + 1_100);
});

Deno.test("run() sends link control and requests when the budget is used up", async () => {
  await using fixture = startSender();
  const { sender, packets, flush } = fixture;
  const stream = makeStream("normal");
  stream.outbox.queueOpen(() => utf8(""));
  void stream.outbox.write(1, new Uint8Array(100_000));
  sender.enqueue(stream);
  await flush();
  packets.length = 0;
  sender.sendControl(PING, new Uint8Array(8));
  const request = makeStream("high");
  request.outbox.queueOpen(() => utf8("request"));
  sender.enqueue(request);
  await flush();
  assert.deepEqual(kindsOf(packets), [PING, OPEN]);
});

Deno.test("enqueue() keeps the place of a stream that is queued already", async () => {
  await using fixture = startSender();
  const { sender, packets, flush } = fixture;
  const streams = [1, 2, 3].map(() => makeStream("normal"));
  for (const stream of streams) {
    stream.outbox.queueOpen(() => utf8(""));
    sender.enqueue(stream);
  }
  const [first] = streams;
  assert.ok(first);
  sender.enqueue(first);
  await flush();
  assert.equal(first.id, 3);
  const ids = packets.map((packet) => decodeEnvelope(packet).stream);
  assert.deepEqual(ids, [3, 5, 7]);
});

Deno.test("remove() keeps a queued stream from being sent", async () => {
  await using fixture = startSender();
  const { sender, packets, flush } = fixture;
  const stream = makeStream("high");
  stream.outbox.queueOpen(() => utf8(""));
  sender.enqueue(stream);
  sender.remove(stream);
  await flush();
  assert.deepEqual(packets, []);
});

Deno.test("run() sends an acknowledgement that is due before other packets", async () => {
  await using fixture = startSender();
  const { sender, packets, acks, clock, flush } = fixture;
  acks.onPacketReceived(1_000_000, clock.monotonicMs());
  const request = makeStream("high");
  request.outbox.queueOpen(() => utf8(""));
  sender.enqueue(request);
  await flush();
  assert.deepEqual(kindsOf(packets), [ACK, OPEN]);
});

Deno.test("sendControl() drops PONGs, and nothing else, when many packets wait", async () => {
  await using fixture = startSender();
  const { sender, packets, flush } = fixture;
  for (let index = 0; index < 40; index++) {
    sender.sendControl(PONG, new Uint8Array(8));
  }
  sender.sendControl(PING, new Uint8Array(8));
  await flush();
  const kinds = kindsOf(packets);
  assert.equal(kinds.filter((kind) => kind === PONG).length, 32);
  assert.equal(kinds.at(-1), PING);
});

Deno.test("run() splits a repeated envelope that is too large for the current link", async () => {
  const stream = makeStream("normal");
  stream.id = 9;
  stream.outbox.queueOpen(() => new Uint8Array(60_000).fill(3));
  const original = stream.outbox.takePacket(9, 65_536);
  stream.outbox.rewind();
  await using fixture = startSender({ maxPacketBytes: 20_000 });
  const { sender, packets, budget, flush } = fixture;
  sender.enqueue(stream);
  await flush();
  const parts = new Reassembler({ maxBytes: 100_000 });
  let joined: Uint8Array | undefined;
  let receivedBytes = 0;
  for (let index = 0; joined === undefined; index++) {
    const packet = packets[index];
    assert.ok(packet && packet.length <= 20_000);
    const { kind, stream, payload, complete } = decodeEnvelope(packet);
    assert.deepEqual([kind, stream], [PART, 0]);
    joined = parts.push(payload, { complete });
    receivedBytes += packet.length;
    // Without acknowledgements the budget would stop the sender.
    budget.onAcknowledged(receivedBytes);
    sender.notify();
    await flush();
  }
  assert.deepEqual(joined, original);
  assert.equal(budget.inFlightBytes, 0);
});

Deno.test("run() sends requests between the PARTs of a large envelope, but no other envelope of its stream", async () => {
  const large = makeLargeStream();
  void large.outbox.write(1, utf8("later"));
  large.outbox.takePacket(9, 65_536);
  large.outbox.rewind();
  await using fixture = startSender({ maxPacketBytes: 1_200 });
  const { sender, packets, flush } = fixture;
  sender.enqueue(large);
  await flush();
  const partCount = packets.length;
  assert.ok(partCount > 3 && partCount < 20, `${partCount} packets`);
  const request = makeStream("high");
  request.outbox.queueOpen(() => utf8("urgent"));
  sender.enqueue(request);
  await flush();
  assert.equal(kindsOf(packets).at(-1), OPEN);
  // The rest is sent as the budget allows; the second envelope of the stream follows it.
  await acknowledgeUntil(DATA, fixture);
  const kinds = kindsOf(packets);
  assert.deepEqual(kinds.filter((kind) => kind !== PART), [OPEN, DATA]);
  assert.equal(kinds.indexOf(OPEN), partCount);
  const parts = packets.map((packet) => decodeEnvelope(packet))
    .filter(({ kind }) => kind === PART);
  assert.equal(parts.filter(({ complete }) => complete).length, 1);
});

Deno.test("run() sends requests in turn with the PARTs of an envelope while there is budget for both", async () => {
  const large = makeLargeStream();
  large.outbox.rewind();
  await using fixture = startSender({ maxPacketBytes: 1_200 });
  const { sender, packets, budget, flush } = fixture;
  sender.enqueue(large);
  await flush();
  const sentBytes = packets.reduce((sum, { length }) => sum + length, 0);
  packets.length = 0;
  for (let index = 0; index < 3; index++) {
    const request = makeStream("high");
    request.outbox.queueOpen(() => utf8("request"));
    sender.enqueue(request);
  }
  budget.onAcknowledged(sentBytes);
  await flush();
  assert.deepEqual(kindsOf(packets).slice(0, 7), [
    ...[PART, OPEN, PART, OPEN, PART, OPEN, PART],
  ]);
});

Deno.test("run() sends the RESET of a stream after the PARTs of its envelope", async () => {
  const large = makeLargeStream();
  large.outbox.rewind();
  await using fixture = startSender({ maxPacketBytes: 1_200 });
  const { sender, packets, flush } = fixture;
  sender.enqueue(large);
  await flush();
  const error = new AranyaError("cancelled", "Cannot use stream: test");
  large.outbox.queueReset(utf8("why"), error);
  sender.enqueue(large);
  await acknowledgeUntil(RESET, fixture);
  const envelopes = packets.map((packet) => decodeEnvelope(packet));
  const lastPart = envelopes.at(-2);
  assert.deepEqual([lastPart?.kind, lastPart?.complete], [PART, true]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import { StreamState } from "../../../lib/shared/session/stream_state.ts";
import { decodeEnvelope, EnvelopeKind } from "../../../lib/shared/wire/mod.ts";

const { OPEN, DATA, END, RESULT, RESET } = EnvelopeKind;
const ID = 2;

/** A stream that records its events. */
function makeStream(
  { isOpener, maxValueBytes = 1_000 }: {
    isOpener: boolean;
    maxValueBytes?: number;
  },
) {
  const events: string[] = [];
  const stream = new StreamState({
    isOpener,
    priority: "high",
    id: ID,
    owner: {
      maxValueBytes,
      onStreamStarted: () => events.push("started"),
      onStreamReady() {},
      onCreditRisen: () => events.push("credit"),
      onStreamClosed: () => events.push("closed"),
      onUnknownEnvelope: (kind) => events.push(`unknown ${kind}`),
    },
  });
  stream.setListener({
    onOpenReceived: (bytes) => events.push(`open ${fromUtf8(bytes)}`),
    onDataReceived: (channel, bytes) =>
      events.push(`data ${channel} ${fromUtf8(bytes)}`),
    onChannelEnded: (channel) => events.push(`ended ${channel}`),
    onResultReceived: (bytes) => events.push(`result ${fromUtf8(bytes)}`),
    onResultDelivered: () => events.push("delivered"),
    onStreamFailed: ({ code }) => events.push(`failed ${code}`),
    channelGrants: [],
    heldBytes: 0,
  });
  let sequence = 0;
  const receive = (kind: number, text: string, { complete = true } = {}) => {
    const payload = utf8(text);
    const envelope = { kind, stream: ID, sequence, complete, payload };
    sequence += 1 + payload.length;
    return stream.receive(envelope);
  };
  return { stream, events, receive };
}

/** Acknowledges everything that the stream has sent. */
function acknowledge(stream: StreamState, received: number): void {
  stream.acknowledge({
    stream: ID,
    received: BigInt(received),
    credit: 0n,
    channels: [],
  });
}

Deno.test("receive() reports the reassembled OPEN and what follows", () => {
  const { events, receive } = makeStream({ isOpener: false });
  receive(OPEN, "he", { complete: false });
  receive(OPEN, "llo");
  receive(DATA, "\x01abc");
  receive(END, "\x01");
  assert.deepEqual(events, ["open hello", "data 1 abc", "ended 1"]);
});

Deno.test("receive() ignores duplicates and gaps", () => {
  const { stream, events, receive } = makeStream({ isOpener: false });
  receive(OPEN, "hello");
  const duplicate = {
    kind: OPEN,
    stream: ID,
    sequence: 0,
    complete: true,
    payload: utf8("hello"),
  };
  assert.equal(stream.receive(duplicate), "duplicate");
  assert.equal(stream.receive({ ...duplicate, sequence: 9 }), "gap");
  assert.equal(stream.receive({ ...duplicate, sequence: 3 }), "gap");
  assert.deepEqual(events, ["open hello"]);
  assert.equal(stream.received, 6);
});

Deno.test("receive() counts and reports envelopes of an unknown kind", () => {
  const { stream, events, receive } = makeStream({ isOpener: false });
  receive(OPEN, "x");
  receive(99, "later");
  receive(DATA, "\x01abc");
  assert.deepEqual(events, ["open x", "unknown 99", "data 1 abc"]);
  assert.equal(stream.received, 2 + 6 + 5);
});

Deno.test("receive() closes an opener with the RESULT", () => {
  const { events, receive } = makeStream({ isOpener: true });
  receive(RESULT, "an", { complete: false });
  receive(RESULT, "swer");
  assert.deepEqual(events, ["result answer", "closed"]);
});

Deno.test("receive() closes either side with a RESET, with the error of the peer", () => {
  const opener = makeStream({ isOpener: true }).stream;
  opener.outbox.queueOpen(() => utf8("x"));
  opener.outbox.takePacket(ID, 500);
  opener.reset(new AranyaError("not_found", "Cannot find it"));
  const packet = opener.outbox.takePacket(ID, 500);
  assert.ok(packet);
  const acceptor = makeStream({ isOpener: false });
  acceptor.receive(OPEN, "x");
  acceptor.receive(RESET, fromUtf8(decodeEnvelope(packet).payload));
  assert.deepEqual(acceptor.events, ["open x", "failed not_found", "closed"]);
});

Deno.test("receive() closes with an error when the RESET can't be decoded", () => {
  const { events, receive } = makeStream({ isOpener: false });
  receive(OPEN, "x");
  receive(RESET, "\x0a\x50");
  assert.deepEqual(events, ["open x", "failed invalid", "closed"]);
});

Deno.test("receive() throws too_large when a value exceeds the limit", () => {
  const { receive } = makeStream({ isOpener: true, maxValueBytes: 10 });
  receive(RESULT, "12345678", { complete: false });
  assert.throws(() => receive(RESULT, "12345678"), {
    code: "too_large",
    message: "Cannot receive response: it is larger than 10 bytes",
  });
});

Deno.test("start() queues the OPEN and notifies the owner", () => {
  const { stream, events } = makeStream({ isOpener: true });
  stream.start(() => utf8("hello"));
  assert.deepEqual(events, ["started"]);
  const packet = stream.outbox.takePacket(ID, 500);
  assert.ok(packet);
  assert.equal(fromUtf8(decodeEnvelope(packet).payload), "hello");
});

Deno.test("start() does nothing when the stream has failed before", () => {
  const { stream, events } = makeStream({ isOpener: true });
  stream.reset(new AranyaError("cancelled", "Cannot use stream: test"));
  stream.start(() => utf8("hello"));
  assert.deepEqual(events, ["failed cancelled", "closed"]);
  assert.equal(stream.outbox.takePacket(ID, 500), undefined);
});

Deno.test("finish() closes the stream when the peer has acknowledged the RESULT", () => {
  const { stream, events, receive } = makeStream({ isOpener: false });
  receive(OPEN, "x");
  stream.finish(utf8("done"));
  receive(DATA, "\x00dropped");
  assert.equal(stream.state, "closing");
  stream.outbox.takePacket(ID, 500);
  acknowledge(stream, 1 + 4);
  assert.deepEqual(events, ["open x", "delivered", "closed"]);
});

Deno.test("reset() closes an opener at once when it has sent nothing", () => {
  const { stream, events } = makeStream({ isOpener: true });
  stream.outbox.queueOpen(() => utf8("x"));
  stream.reset(new AranyaError("cancelled", "Cannot use stream: test"));
  assert.deepEqual(events, ["failed cancelled", "closed"]);
  assert.equal(stream.outbox.takePacket(ID, 500), undefined);
});

Deno.test("onUnknownToPeer() closes as delivered when the RESULT was sent", () => {
  const { stream, events, receive } = makeStream({ isOpener: false });
  receive(OPEN, "x");
  stream.finish(utf8("done"));
  stream.outbox.takePacket(ID, 500);
  stream.onUnknownToPeer(new AranyaError("unavailable", "Cannot continue"));
  assert.deepEqual(events, ["open x", "delivered", "closed"]);
});

Deno.test("onUnknownToPeer() fails a stream that is open, once", () => {
  const { stream, events, receive } = makeStream({ isOpener: false });
  const error = new AranyaError("unavailable", "Cannot continue");
  receive(OPEN, "x");
  stream.onUnknownToPeer(error);
  stream.onUnknownToPeer(error);
  assert.deepEqual(events, ["open x", "failed unavailable", "closed"]);
});

Deno.test("takeAckPoint() reports a risen credit once", () => {
  const { stream, receive } = makeStream({ isOpener: false });
  receive(OPEN, "hello");
  const first = stream.takeAckPoint();
  assert.equal(first.received, 6n);
  assert.ok(first.credit > 4_000_000n);
  assert.equal(stream.takeAckPoint().credit, 0n);
  assert.equal(stream.resumePoint.credit, first.credit);
});

Deno.test("reset() drops an incomplete value", () => {
  const { stream, receive } = makeStream({ isOpener: false });
  receive(OPEN, "begins", { complete: false });
  assert.equal(stream.incompleteBytes, 6);
  stream.reset(new AranyaError("too_large", "Cannot receive value: test"));
  assert.equal(stream.state, "closing");
  assert.equal(stream.incompleteBytes, 0);
});

Deno.test("responseBytes counts what the acceptor sends until it is acknowledged", () => {
  const { stream, receive } = makeStream({ isOpener: false });
  receive(OPEN, "?");
  stream.finish(utf8("answer"));
  assert.equal(stream.responseBytes, 6);
  const packet = stream.outbox.takePacket(ID, 1000);
  assert.equal(stream.responseBytes, packet?.length);
  acknowledge(stream, 7);
  assert.equal(stream.responseBytes, 0);

  const opened = makeStream({ isOpener: true }).stream;
  opened.start(() => utf8("?"));
  opened.outbox.takePacket(ID, 1000);
  assert.equal(opened.responseBytes, 0);
});

Deno.test("isAskedFor() accepts answers to this side only, and no more ENDs than channels", () => {
  const toEnvelope = (kind: number, length: number, complete = true) => ({
    kind,
    stream: ID,
    sequence: 0,
    complete,
    payload: new Uint8Array(length),
  });
  const { stream, receive } = makeStream({ isOpener: true });
  for (const kind of [DATA, RESULT, RESET]) {
    assert.equal(stream.isAskedFor(toEnvelope(kind, 0)), true);
    assert.equal(stream.isAskedFor(toEnvelope(kind, 1, false)), true);
    assert.equal(stream.isAskedFor(toEnvelope(kind, 0, false)), false);
  }
  for (const kind of [OPEN, 1000]) {
    assert.equal(stream.isAskedFor(toEnvelope(kind, 1)), false);
  }
  for (let count = 0; count < 16; count++) {
    assert.equal(stream.isAskedFor(toEnvelope(END, 1)), true);
    receive(END, "\0");
  }
  assert.equal(stream.isAskedFor(toEnvelope(END, 1)), false);
  const accepted = makeStream({ isOpener: false }).stream;
  assert.equal(accepted.isAskedFor(toEnvelope(DATA, 1)), false);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import { StreamState } from "../../../lib/shared/session/stream_state.ts";
import { decodeEnvelope, EnvelopeKind } from "../../../lib/shared/wire/mod.ts";

/** A stream that notes what it tells. */
function make({ opener, maxValueBytes = 1_000 }: {
  opener: boolean;
  maxValueBytes?: number;
}) {
  const told: string[] = [];
  const stream = new StreamState({
    opener,
    urgent: true,
    id: 2,
    host: {
      maxValueBytes,
      changed() {},
      creditRisen() {},
      over: () => told.push("over"),
      unknown: (kind) => told.push(`unknown ${kind}`),
    },
    events: {
      opened: (bytes) => told.push(`opened ${fromUtf8(bytes)}`),
      data: (channel, bytes) => told.push(`data ${channel} ${fromUtf8(bytes)}`),
      ended: (channel) => told.push(`ended ${channel}`),
      resulted: (bytes) => told.push(`resulted ${fromUtf8(bytes)}`),
      finished: () => told.push("finished"),
      failed: ({ code }) => told.push(`failed ${code}`),
      credits: () => [],
      heldBytes: 0,
    },
  });
  let sequence = 0;
  const receive = (kind: number, text: string, { complete = true } = {}) => {
    const payload = utf8(text);
    const envelope = { kind, stream: 2, sequence, complete, payload };
    sequence += 1 + payload.length;
    return stream.receive(envelope);
  };
  return { stream, told, receive };
}

const { OPEN, DATA, END, RESULT, RESET } = EnvelopeKind;

Deno.test("receive() joins the opening word and hands on what follows", () => {
  const { told, receive } = make({ opener: false });
  receive(OPEN, "he", { complete: false });
  receive(OPEN, "llo");
  receive(DATA, "\x01abc");
  receive(END, "\x01");
  assert.deepEqual(told, ["opened hello", "data 1 abc", "ended 1"]);
});

Deno.test("receive() drops what comes twice and tells a gap", () => {
  const { stream, told, receive } = make({ opener: false });
  receive(OPEN, "hello");
  const payload = utf8("hello");
  const again = {
    kind: OPEN,
    stream: 2,
    sequence: 0,
    complete: true,
    payload,
  };
  assert.equal(stream.receive(again), "duplicate");
  assert.equal(stream.receive({ ...again, sequence: 9 }), "gap");
  assert.equal(stream.receive({ ...again, sequence: 3 }), "gap");
  assert.deepEqual(told, ["opened hello"]);
  assert.equal(stream.received, 6);
});

Deno.test("receive() counts and tells kinds that it does not know", () => {
  const { stream, told, receive } = make({ opener: false });
  receive(OPEN, "x");
  receive(99, "later");
  receive(DATA, "\x01abc");
  assert.deepEqual(told, ["opened x", "unknown 99", "data 1 abc"]);
  assert.equal(stream.received, 2 + 6 + 5);
});

Deno.test("receive() ends the opener with the result, either side with a reset", () => {
  const asked = make({ opener: true });
  asked.receive(RESULT, "an", { complete: false });
  asked.receive(RESULT, "swer");
  assert.deepEqual(asked.told, ["resulted answer", "over"]);
  const failure = new AranyaError("not_found", "Cannot find it");
  const other = make({ opener: true });
  other.stream.outbox.open(() => utf8("x"));
  other.stream.outbox.cut(2, 500);
  other.stream.reset(failure);
  const packet = other.stream.outbox.cut(2, 500);
  assert.ok(packet);
  const { payload } = decodeEnvelope(packet);
  const acceptor = make({ opener: false });
  acceptor.receive(OPEN, "x");
  acceptor.stream.receive({
    kind: RESET,
    stream: 2,
    sequence: 2,
    complete: true,
    payload,
  });
  assert.deepEqual(acceptor.told, ["opened x", "failed not_found", "over"]);
});

Deno.test("receive() refuses a value above the limit", () => {
  const { receive } = make({ opener: true, maxValueBytes: 10 });
  receive(RESULT, "12345678", { complete: false });
  assert.throws(() => receive(RESULT, "12345678"), { code: "too_large" });
});

Deno.test("finish() is over when the peer has it", () => {
  const { stream, told, receive } = make({ opener: false });
  receive(OPEN, "x");
  stream.finish(utf8("done"));
  receive(DATA, "\x00dropped");
  assert.equal(stream.state, "finishing");
  stream.outbox.cut(2, 500);
  const received = BigInt(1 + 4);
  stream.acknowledge({ stream: 2, received, credit: 0n, channels: [] });
  assert.deepEqual(told, ["opened x", "finished", "over"]);
});

Deno.test("reset() of an opener that has sent nothing tells nobody", () => {
  const { stream, told } = make({ opener: true });
  stream.outbox.open(() => utf8("x"));
  stream.reset(new AranyaError("cancelled", "Cannot go on"));
  assert.deepEqual(told, ["failed cancelled", "over"]);
  assert.equal(stream.outbox.cut(2, 500), undefined);
});

Deno.test("gone() is fine when the last word was said, and a loss when not", () => {
  const error = new AranyaError("unavailable", "Cannot go on");
  const done = make({ opener: false });
  done.receive(OPEN, "x");
  done.stream.finish(utf8("done"));
  done.stream.outbox.cut(2, 500);
  done.stream.gone(error);
  assert.deepEqual(done.told, ["opened x", "finished", "over"]);
  const live = make({ opener: false });
  live.receive(OPEN, "x");
  live.stream.gone(error);
  live.stream.gone(error);
  assert.deepEqual(live.told, ["opened x", "failed unavailable", "over"]);
});

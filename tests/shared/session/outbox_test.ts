// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import { Outbox } from "../../../lib/shared/session/outbox.ts";
import {
  decodeEnvelope,
  type Envelope,
  EnvelopeKind,
  INITIAL_CREDIT_BYTES,
} from "../../../lib/shared/wire/mod.ts";

const { OPEN, DATA, END, RESULT, RESET } = EnvelopeKind;

/** Takes all packets that can be sent now. */
function takeAll(outbox: Outbox, maxBytes = 1_000): Envelope[] {
  const envelopes: Envelope[] = [];
  for (;;) {
    const packet = outbox.takePacket(7, maxBytes);
    if (!packet) return envelopes;
    assert.ok(packet.length <= maxBytes);
    envelopes.push(decodeEnvelope(packet));
  }
}

function progressOf(
  received: number,
  channels: { channel: number; credit: number }[] = [],
) {
  return { received, credit: 1e9, channels };
}

Deno.test("takePacket() returns OPEN, then DATA and END by round robin, then RESULT", () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueOpen(() => utf8("open"));
  void outbox.write(1, utf8("out"));
  void outbox.write(2, utf8("err"));
  outbox.endChannel(2);
  outbox.queueResult(utf8("bye"));
  const envelopes = takeAll(outbox);
  assert.deepEqual(
    envelopes.map(({ kind, payload }) => [kind, fromUtf8(payload)]),
    [
      [OPEN, "open"],
      [DATA, "\x01out"],
      [DATA, "\x02err"],
      [END, "\x02"],
      [RESULT, "bye"],
    ],
  );
  assert.deepEqual(envelopes.map(({ sequence }) => sequence), [
    0,
    5,
    10,
    15,
    17,
  ]);
});

Deno.test("takePacket() cuts values and chunks to the size of a packet", async () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueOpen(() => new Uint8Array(2_500));
  const written = outbox.write(1, new Uint8Array(2_000));
  const envelopes = takeAll(outbox, 1_000);
  assert.deepEqual(
    envelopes.map(({ kind, complete }) => [kind, complete]),
    [
      [OPEN, false],
      [OPEN, false],
      [OPEN, true],
      [DATA, false],
      [DATA, false],
      [DATA, true],
    ],
  );
  await written;
});

Deno.test("takePacket() repeats unacknowledged packets unchanged after rewind()", () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueOpen(() => utf8("open"));
  void outbox.write(1, utf8("abc"));
  void outbox.write(1, utf8("def"));
  const first = takeAll(outbox);
  outbox.acknowledge(progressOf(first[1]?.sequence ?? 0));
  outbox.rewind();
  void outbox.write(1, utf8("new"));
  const again = takeAll(outbox, 500);
  assert.deepEqual(again.slice(0, 2), first.slice(1));
  assert.equal(again.length, 3);
  outbox.acknowledge(progressOf(20));
  assert.equal(outbox.unackedBytes, 0);
});

Deno.test("takePacket() skips a channel without credit, and holds the RESULT back until it has some", () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueOpen(() => utf8(""));
  void outbox.write(1, new Uint8Array(300_000));
  const before = takeAll(outbox, 65_000);
  const sent = before.reduce(
    (sum, { payload }) => sum + 64 + payload.length,
    0,
  );
  assert.ok(sent <= INITIAL_CREDIT_BYTES + 64);
  assert.equal(outbox.priority, undefined);
  void outbox.write(2, utf8("err"));
  assert.equal(takeAll(outbox).length, 1);
  outbox.queueResult(utf8("after channel 1"));
  assert.deepEqual(takeAll(outbox), []);
  outbox.acknowledge(progressOf(0, [{ channel: 1, credit: 600_000 }]));
  assert.equal(takeAll(outbox, 65_000).at(-1)?.kind, RESULT);
});

Deno.test("takePacket() returns nothing when the stream has no credit", () => {
  const outbox = new Outbox({ priority: "high" });
  outbox.queueOpen(() => new Uint8Array(300_000));
  takeAll(outbox, 10_000);
  assert.equal(outbox.priority, undefined);
  outbox.acknowledge({ received: 10_000, credit: 400_000, channels: [] });
  assert.equal(outbox.priority, "normal");
  assert.equal(takeAll(outbox, 10_000).at(-1)?.complete, true);
});

Deno.test("priority is high for the first part of a request, for OPEN and for RESET", () => {
  const request = new Outbox({ priority: "high" });
  request.queueOpen(() => new Uint8Array(100_000));
  assert.equal(request.priority, "high");
  for (let index = 0; index < 7; index++) request.takePacket(1, 10_000);
  assert.equal(request.priority, "normal");
  const stream = new Outbox({ priority: "normal" });
  stream.queueOpen(() => utf8("x"));
  assert.equal(stream.priority, "high");
  stream.takePacket(1, 1_000);
  void stream.write(1, utf8("x"));
  assert.equal(stream.priority, "normal");
  stream.queueReset(
    utf8("why"),
    new AranyaError("cancelled", "Cannot use stream: test"),
  );
  assert.equal(stream.priority, "high");
});

Deno.test("queueReset() drops what is not in packets and rejects its writers", async () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueOpen(() => utf8("open"));
  takeAll(outbox);
  const written = outbox.write(1, utf8("never"));
  outbox.queueReset(
    utf8("why"),
    new AranyaError("cancelled", "Cannot use stream: test"),
  );
  await assert.rejects(written, { code: "cancelled" });
  const envelopes = takeAll(outbox);
  assert.deepEqual(envelopes.map(({ kind }) => kind), [RESET]);
  assert.equal(outbox.isDelivered, false);
  outbox.acknowledge(progressOf(9));
  assert.equal(outbox.isDelivered, true);
});

Deno.test("acknowledge() throws invalid when it covers more than was sent", () => {
  const outbox = new Outbox({ priority: "normal" });
  assert.throws(() => outbox.acknowledge(progressOf(1)), { code: "invalid" });
});

Deno.test("takePacket() keeps about 4 MiB at most unacknowledged, whatever credit the peer grants", () => {
  for (const chunkBytes of [32 * 1024, 1]) {
    const outbox = new Outbox({ priority: "normal" });
    outbox.queueOpen(() => utf8(""));
    const unlimited = Number.MAX_SAFE_INTEGER;
    const progress = {
      received: 0,
      credit: unlimited,
      channels: [{ channel: 0, credit: unlimited }],
    };
    outbox.acknowledge(progress);
    let packetCount = 0;
    for (;; packetCount++) {
      void outbox.write(0, new Uint8Array(chunkBytes));
      const packet = outbox.takePacket(7, 65_536);
      if (!packet) break;
      assert.ok(packetCount < 100_000, "it never stops");
    }
    // Each packet counts 64 bytes beside its length.
    const heldBytes = outbox.unackedBytes + 64 * packetCount;
    assert.ok(heldBytes >= 4_000_000 && heldBytes < 4_400_000, `${heldBytes}`);
    assert.equal(outbox.priority, undefined);
    // A reset goes nevertheless, and an acknowledgement makes room.
    outbox.acknowledge({ ...progress, received: 70_000 });
    assert.equal(outbox.priority, "normal");
    outbox.acknowledge(progress);
    outbox.queueReset(
      utf8("why"),
      new AranyaError("cancelled", "Cannot: test"),
    );
    assert.equal(outbox.priority, "high");
  }
});

Deno.test("acknowledge() takes nothing back that an earlier one has granted", () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueOpen(() => utf8("open"));
  takeAll(outbox);
  void outbox.write(1, new Uint8Array(300_000));
  const more = { channel: 1, credit: 1_000_000 };
  outbox.acknowledge({ received: 5, credit: 1_000_000, channels: [more] });
  const less = { channel: 1, credit: 0 };
  outbox.acknowledge({ received: 0, credit: 0, channels: [less] });
  assert.equal(outbox.hasAck, true);
  assert.equal(outbox.unackedBytes, 0);
  const sentBytes = takeAll(outbox, 60_000).reduce(
    (sum, { payload }) => sum + payload.length - 1,
    0,
  );
  assert.equal(sentBytes, 300_000);
});

Deno.test("acknowledge() throws when the peer grants credit for more channels than a stream has", () => {
  const outbox = new Outbox({ priority: "normal" });
  const channels = Array.from({ length: 17 }, (_, channel) => ({
    channel,
    credit: 1,
  }));
  outbox.acknowledge({ received: 0, credit: 0, channels: channels.slice(1) });
  assert.throws(
    () => outbox.acknowledge({ received: 0, credit: 0, channels }),
    { code: "invalid" },
  );
});

Deno.test("resultBytes is the length of a RESULT until all of it is in packets, which can be repeated", () => {
  const outbox = new Outbox({ priority: "normal" });
  outbox.queueResult(new Uint8Array(1500).fill(7));
  assert.ok(outbox.takePacket(7, 1000));
  assert.equal(outbox.resultBytes, 1500);
  assert.ok(outbox.takePacket(7, 1000));
  assert.equal(outbox.resultBytes, 0);
  assert.ok(outbox.unackedBytes > 1500, `${outbox.unackedBytes} bytes`);
  outbox.rewind();
  const repeated = takeAll(outbox).map(({ payload }) => payload.length);
  assert.deepEqual(repeated, [968, 532]);
});

Deno.test("resultBytes is the length of a RESULT until that is dropped", () => {
  const error = new AranyaError("cancelled", "Cannot use stream: test");
  for (
    const drop of [
      (outbox: Outbox) => outbox.clear(error),
      (outbox: Outbox) => outbox.queueReset(utf8("why"), error),
    ]
  ) {
    const outbox = new Outbox({ priority: "normal" });
    outbox.queueResult(utf8("bye"));
    assert.equal(outbox.resultBytes, 3);
    drop(outbox);
    assert.equal(outbox.resultBytes, 0);
  }
});

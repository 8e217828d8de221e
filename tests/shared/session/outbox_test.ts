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

/** Everything that can be cut now. */
function cutAll(outbox: Outbox, maxBytes = 1_000): Envelope[] {
  const envelopes: Envelope[] = [];
  for (;;) {
    const packet = outbox.cut(7, maxBytes);
    if (!packet) return envelopes;
    assert.ok(packet.length <= maxBytes);
    envelopes.push(decodeEnvelope(packet));
  }
}

function pointOf(
  received: number,
  channels: { channel: number; credit: number }[] = [],
) {
  return { received, credit: 1e9, channels };
}

Deno.test("cut() gives OPEN, then data and ends in turn, then the result", () => {
  const outbox = new Outbox({ urgent: false });
  outbox.open(() => utf8("open"));
  void outbox.write(1, utf8("out"));
  void outbox.write(2, utf8("err"));
  outbox.end(2);
  outbox.finish(utf8("bye"));
  const envelopes = cutAll(outbox);
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

Deno.test("cut() cuts large values and chunks to the packet's size", async () => {
  const outbox = new Outbox({ urgent: false });
  outbox.open(() => new Uint8Array(2_500));
  const written = outbox.write(1, new Uint8Array(2_000));
  const envelopes = cutAll(outbox, 1_000);
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

Deno.test("cut() repeats after rewind() what is not acknowledged, as it was", () => {
  const outbox = new Outbox({ urgent: false });
  outbox.open(() => utf8("open"));
  void outbox.write(1, utf8("abc"));
  void outbox.write(1, utf8("def"));
  const first = cutAll(outbox);
  outbox.acknowledge(pointOf(first[1]?.sequence ?? 0));
  outbox.rewind();
  void outbox.write(1, utf8("new"));
  const again = cutAll(outbox, 500);
  assert.deepEqual(again.slice(0, 2), first.slice(1));
  assert.equal(again.length, 3);
  outbox.acknowledge(pointOf(20));
  assert.equal(outbox.unackedBytes, 0);
});

Deno.test("cut() waits for the channel's credit and lets other channels pass", () => {
  const outbox = new Outbox({ urgent: false });
  outbox.open(() => utf8(""));
  void outbox.write(1, new Uint8Array(300_000));
  const before = cutAll(outbox, 65_000);
  const sent = before.reduce(
    (sum, { payload }) => sum + 64 + payload.length,
    0,
  );
  assert.ok(sent <= INITIAL_CREDIT_BYTES + 64);
  assert.equal(outbox.urgency, undefined);
  void outbox.write(2, utf8("err"));
  assert.equal(cutAll(outbox).length, 1);
  outbox.finish(utf8("waits for channel 1"));
  assert.deepEqual(cutAll(outbox), []);
  outbox.acknowledge(pointOf(0, [{ channel: 1, credit: 600_000 }]));
  assert.equal(cutAll(outbox, 65_000).at(-1)?.kind, RESULT);
});

Deno.test("cut() waits for the session's credit", () => {
  const outbox = new Outbox({ urgent: true });
  outbox.open(() => new Uint8Array(300_000));
  cutAll(outbox, 10_000);
  assert.equal(outbox.urgency, undefined);
  outbox.acknowledge({ received: 10_000, credit: 400_000, channels: [] });
  assert.equal(outbox.urgency, "bulk");
  assert.equal(cutAll(outbox, 10_000).at(-1)?.complete, true);
});

Deno.test("urgency is urgent for what a request says first, and for a reset", () => {
  const request = new Outbox({ urgent: true });
  request.open(() => new Uint8Array(100_000));
  assert.equal(request.urgency, "urgent");
  for (let index = 0; index < 7; index++) request.cut(1, 10_000);
  assert.equal(request.urgency, "bulk");
  const stream = new Outbox({ urgent: false });
  stream.open(() => utf8("x"));
  assert.equal(stream.urgency, "urgent");
  stream.cut(1, 1_000);
  void stream.write(1, utf8("x"));
  assert.equal(stream.urgency, "bulk");
  stream.reset(utf8("why"), new AranyaError("cancelled", "Cannot go on"));
  assert.equal(stream.urgency, "urgent");
});

Deno.test("reset() drops what is not cut and fails its writers", async () => {
  const outbox = new Outbox({ urgent: false });
  outbox.open(() => utf8("open"));
  cutAll(outbox);
  const written = outbox.write(1, utf8("never"));
  outbox.reset(utf8("why"), new AranyaError("cancelled", "Cannot go on"));
  await assert.rejects(written, { code: "cancelled" });
  const envelopes = cutAll(outbox);
  assert.deepEqual(envelopes.map(({ kind }) => kind), [RESET]);
  assert.equal(outbox.finished, false);
  outbox.acknowledge(pointOf(9));
  assert.equal(outbox.finished, true);
});

Deno.test("acknowledge() refuses more than was sent", () => {
  const outbox = new Outbox({ urgent: false });
  assert.throws(() => outbox.acknowledge(pointOf(1)), { code: "invalid" });
});

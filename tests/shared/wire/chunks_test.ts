// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  createJoiner,
  decodeEnvelope,
  EnvelopeKind,
  toPackets,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("toPackets() and createJoiner() carry an envelope through small packets", () => {
  const encoded = Uint8Array.from({ length: 1_000 }, (_, index) => index % 253);
  for (const maxPacketBytes of [33, 100, 999, 1_000, 5_000]) {
    const packets = toPackets(encoded, { maxPacketBytes });
    if (maxPacketBytes >= 1_000) {
      assert.deepEqual(packets, [encoded]);
      continue;
    }
    const joiner = createJoiner();
    let joined: Uint8Array | undefined;
    for (const packet of packets) {
      assert.equal(joined, undefined);
      assert.ok(packet.length <= maxPacketBytes);
      const { kind, stream, payload, complete } = decodeEnvelope(packet);
      assert.deepEqual([kind, stream], [EnvelopeKind.PART, 0]);
      joined = joiner.push(payload, { complete });
    }
    assert.deepEqual(joined, encoded);
    assert.equal(joiner.heldBytes, 0);
  }
  assert.throws(() => toPackets(encoded, { maxPacketBytes: 32 }), RangeError);
});

Deno.test("createJoiner() gives one value after the other, empty ones too", () => {
  const joiner = createJoiner();
  const none = new Uint8Array(0);
  assert.deepEqual(joiner.push(none, { complete: true }), none);
  assert.equal(joiner.push(Uint8Array.of(1), { complete: false }), undefined);
  assert.equal(joiner.heldBytes, 1);
  assert.deepEqual(joiner.push(none, { complete: true }), Uint8Array.of(1));
});

Deno.test("createJoiner() refuses a value above the limit and goes on with the next", () => {
  const joiner = createJoiner({ maxBytes: 4, action: "Cannot take answer" });
  const piece = Uint8Array.of(1, 2, 3);
  joiner.push(piece, { complete: false });
  assert.throws(() => joiner.push(piece, { complete: true }), {
    code: "too_large",
    message: "Cannot take answer: it has more than 4 bytes",
  });
  assert.deepEqual(joiner.push(piece, { complete: true }), piece);
});

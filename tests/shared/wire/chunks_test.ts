// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  decodeEnvelope,
  EnvelopeKind,
  Reassembler,
  toPackets,
} from "../../../lib/shared/wire/mod.ts";

const ENCODED = Uint8Array.from({ length: 1_000 }, (_, index) => index % 253);

Deno.test("toPackets() splits an envelope into PARTs, which Reassembler joins", () => {
  for (const maxPacketBytes of [33, 100, 999]) {
    const reassembler = new Reassembler({ maxBytes: 2_000_000 });
    let joined: Uint8Array | undefined;
    for (const packet of toPackets(ENCODED, { maxPacketBytes })) {
      assert.equal(joined, undefined);
      assert.ok(packet.length <= maxPacketBytes);
      const { kind, stream, payload, complete } = decodeEnvelope(packet);
      assert.deepEqual([kind, stream], [EnvelopeKind.PART, 0]);
      joined = reassembler.push(payload, { complete });
    }
    assert.deepEqual(joined, ENCODED);
    assert.equal(reassembler.heldBytes, 0);
  }
});

Deno.test("toPackets() returns the envelope itself when it fits", () => {
  for (const maxPacketBytes of [1_000, 5_000]) {
    assert.deepEqual(toPackets(ENCODED, { maxPacketBytes }), [ENCODED]);
  }
});

Deno.test("toPackets() throws a RangeError when a packet has no room beyond the header", () => {
  assert.throws(() => toPackets(ENCODED, { maxPacketBytes: 32 }), RangeError);
});

Deno.test("push() returns one value after the other, also empty ones", () => {
  const reassembler = new Reassembler({ maxBytes: 2_000_000 });
  const empty = new Uint8Array(0);
  const one = Uint8Array.of(1);
  assert.deepEqual(reassembler.push(empty, { complete: true }), empty);
  assert.equal(reassembler.push(one, { complete: false }), undefined);
  assert.equal(reassembler.heldBytes, 1);
  assert.deepEqual(reassembler.push(empty, { complete: true }), one);
  assert.equal(reassembler.heldBytes, 0);
});

Deno.test("push() throws above the limit and accepts the next value", () => {
  const reassembler = new Reassembler({
    maxBytes: 4,
    action: "Cannot receive response",
  });
  const piece = Uint8Array.of(1, 2, 3);
  reassembler.push(piece, { complete: false });
  assert.throws(() => reassembler.push(piece, { complete: true }), {
    code: "too_large",
    message: "Cannot receive response: it is larger than 4 bytes",
  });
  assert.equal(reassembler.heldBytes, 0);
  assert.deepEqual(reassembler.push(piece, { complete: true }), piece);
  reassembler.push(piece, { complete: false });
  const last = Uint8Array.of(4);
  assert.equal(reassembler.push(last, { complete: true })?.length, 4);
});

Deno.test("push() copies large pieces once, when the value is complete", () => {
  const pieces = Array.from(
    { length: 60 },
    (_, index) => new Uint8Array(32_000).fill(index),
  );
  const reassembler = new Reassembler({ maxBytes: 2_000_000 });
  const { external } = Deno.memoryUsage();
  for (const piece of pieces) reassembler.push(piece, { complete: false });
  const allocatedBytes = Deno.memoryUsage().external - external;
  assert.ok(allocatedBytes < 100_000, `${allocatedBytes} bytes are allocated`);
  assert.equal(reassembler.heldBytes, 60 * 32_000);
  const value = reassembler.push(Uint8Array.of(99), { complete: true });
  assert.equal(value?.length, 60 * 32_000 + 1);
  assert.deepEqual(value?.subarray(32_000, 64_000), pieces[1]);
  assert.equal(value?.at(-1), 99);
});

Deno.test("push() joins large and small pieces in their order, and holds little more than them", () => {
  const reassembler = new Reassembler({ maxBytes: 2_000_000 });
  const { heapUsed, external } = Deno.memoryUsage();
  const lengths = Array.from(
    { length: 400 },
    (_, index) => [1, 4096][index % 2] ?? 0,
  );
  for (const [index, length] of lengths.entries()) {
    const piece = new Uint8Array(length).fill(index % 256);
    reassembler.push(piece, { complete: false });
  }
  const after = Deno.memoryUsage();
  const grownBytes = after.heapUsed + after.external - heapUsed - external;
  assert.ok(grownBytes < 2_000_000, `${grownBytes} bytes are held`);
  const value = reassembler.push(new Uint8Array(0), { complete: true });
  const expected = lengths.flatMap((length, index) =>
    new Array<number>(length).fill(index % 256)
  );
  assert.deepEqual(value, Uint8Array.from(expected));
});

Deno.test("clear() drops the pieces of an incomplete value", () => {
  const reassembler = new Reassembler({ maxBytes: 2_000_000 });
  reassembler.push(new Uint8Array(5000), { complete: false });
  reassembler.push(new Uint8Array(5), { complete: false });
  reassembler.clear();
  assert.equal(reassembler.heldBytes, 0);
  reassembler.push(Uint8Array.of(1), { complete: false });
  const value = reassembler.push(Uint8Array.of(2), { complete: true });
  assert.deepEqual(value, Uint8Array.of(1, 2));
});

Deno.test("push() holds a value of a million pieces of one byte in little more than its length", () => {
  const reassembler = new Reassembler({ maxBytes: 2_000_000 });
  // A packet is larger than the piece that it carries, and must not be kept alive by it.
  const packet = () => new Uint8Array(64).subarray(63);
  const { heapUsed, external } = Deno.memoryUsage();
  for (let count = 0; count < 1_000_000; count++) {
    reassembler.push(packet(), { complete: false });
  }
  const after = Deno.memoryUsage();
  const grownBytes = after.heapUsed + after.external - heapUsed - external;
  assert.ok(grownBytes < 32_000_000, `${grownBytes} bytes are held`);
  const value = reassembler.push(Uint8Array.of(7), { complete: true });
  assert.equal(value?.length, 1_000_001);
  assert.equal(value?.at(-1), 7);
});

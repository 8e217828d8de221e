// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CommandSchema,
  decodeEnvelope,
  encodeControl,
  encodeEnvelope,
  type Envelope,
  EnvelopeKind,
  MAX_ENVELOPE_HEADER_BYTES,
  MessageSchema,
} from "../../../lib/shared/wire/mod.ts";

const CASES: Envelope[] = [
  { kind: 0, stream: 0, sequence: 0, complete: false, payload: bytes(0) },
  { kind: 3, stream: 0, sequence: 0, complete: true, payload: bytes(8) },
  { kind: 17, stream: 1, sequence: 127, complete: true, payload: bytes(1) },
  {
    kind: 17,
    stream: 300,
    sequence: 128,
    complete: false,
    payload: bytes(127),
  },
  {
    kind: 99_999,
    stream: 65_536,
    sequence: 16_384,
    complete: true,
    payload: bytes(128),
  },
  {
    kind: 0xffff_ffff,
    stream: 0xffff_ffff,
    sequence: Number.MAX_SAFE_INTEGER,
    complete: true,
    payload: bytes(70_000),
  },
];

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

for (const schema of [CommandSchema, MessageSchema]) {
  Deno.test(`encodeEnvelope() and decodeEnvelope() agree with the schema of ${schema.name}`, () => {
    for (const envelope of CASES) {
      const expected = toBinary(
        schema,
        create(schema, { ...envelope, sequence: BigInt(envelope.sequence) }),
      );
      const encoded = encodeEnvelope(envelope);
      assert.deepEqual(encoded, expected);
      assert.deepEqual(decodeEnvelope(expected), envelope);
      assert.ok(
        encoded.length - envelope.payload.length <= MAX_ENVELOPE_HEADER_BYTES,
      );
    }
  });
}

Deno.test("encodeEnvelope() puts the channel before the payload", () => {
  for (const envelope of CASES) {
    const payload = Uint8Array.of(2, ...envelope.payload.subarray(0, 300));
    const encoded = encodeEnvelope(
      { ...envelope, payload: payload.subarray(1) },
      { channel: 2 },
    );
    assert.deepEqual(decodeEnvelope(encoded), { ...envelope, payload });
  }
});

Deno.test("encodeControl() encodes a complete envelope of stream 0", () => {
  const encoded = encodeControl(EnvelopeKind.PING, bytes(8));
  assert.deepEqual(decodeEnvelope(encoded), {
    kind: EnvelopeKind.PING,
    stream: 0,
    sequence: 0,
    complete: true,
    payload: bytes(8),
  });
});

Deno.test("decodeEnvelope() skips unknown fields of every wire type", () => {
  const known = encodeEnvelope({
    kind: 17,
    stream: 5,
    sequence: 9,
    complete: true,
    payload: bytes(3),
  });
  const unknown = [
    [0x30, ...new Array(9).fill(0xff), 0x01], // 6: varint of 64 bits
    [0x39, 1, 2, 3, 4, 5, 6, 7, 8], // 7: fixed64
    [0x42, 2, 9, 9], // 8: bytes
    [0x4d, 1, 2, 3, 4], // 9: fixed32
    [0x80, 0x08, 1], // 128: varint, tag of two bytes
  ];
  const mixed = Uint8Array.from([
    ...unknown.slice(0, 2).flat(),
    ...known,
    ...unknown.slice(2).flat(),
  ]);
  assert.deepEqual(decodeEnvelope(mixed), decodeEnvelope(known));
});

Deno.test("decodeEnvelope() returns the payload as a plain view when given a Buffer", () => {
  const packet = Buffer.from("\x08\x11\x2a\x03abc");
  const { payload } = decodeEnvelope(packet);
  assert.equal(payload.constructor, Uint8Array);
  assert.equal(payload.buffer, packet.buffer);
});

Deno.test("decodeEnvelope() throws invalid when the bytes are broken, and never anything else", () => {
  const whole = encodeEnvelope({
    kind: 17,
    stream: 500,
    sequence: 70_000,
    complete: true,
    payload: bytes(20),
  });
  const broken: number[][] = [
    [0x2a, 0x05, 1, 2],
    [0x08],
    [0x08, ...new Array(10).fill(0xff)],
    [0x18, ...new Array(9).fill(0xff), 0x01],
    [0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x00, 0x01],
    [0x0b, 0x01],
    [0x39, 1, 2],
    [0x30, 0xff],
  ];
  for (const each of broken) {
    assert.throws(() => decodeEnvelope(Uint8Array.from(each)), {
      code: "invalid",
    });
  }
  for (let length = 0; length < whole.length; length++) {
    try {
      decodeEnvelope(whole.subarray(0, length));
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid");
    }
  }
});

Deno.test("unknown fields of a message survive a round trip", () => {
  const later = Uint8Array.of(0x08, 0x03, 0xa2, 0x06, 0x02, 7, 7);
  const again = toBinary(CommandSchema, fromBinary(CommandSchema, later));
  assert.deepEqual(again, later);
});

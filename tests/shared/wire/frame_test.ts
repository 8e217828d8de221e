// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../../lib/shared/base/mod.ts";
import {
  decodeFrame,
  encodeFrame,
  FRAME_TYPES,
  MAX_FRAME_BYTES,
  writeFrameHeader,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("encodeFrame() returns type, link id and body, which decodeFrame() returns", () => {
  const frame = {
    type: FRAME_TYPES.sealed,
    linkId: 0xfedcba98,
    body: Uint8Array.of(1, 2, 3),
  };
  assert.equal(toHex(encodeFrame(frame)), "04fedcba98010203");
  assert.deepEqual(decodeFrame(encodeFrame(frame)), frame);
});

Deno.test("the types of frames are those of framing version 1", () => {
  assert.deepEqual(FRAME_TYPES, {
    handshakeInit: 1,
    handshakeReply: 2,
    handshakeRefusal: 3,
    sealed: 4,
    knock: 5,
  });
});

Deno.test("writeFrameHeader() overwrites the first 5 bytes of an array inside another", () => {
  const buffer = new Uint8Array(10).fill(0xff);
  writeFrameHeader(buffer.subarray(2, 9), { type: 5, linkId: 1 });
  assert.equal(toHex(buffer), "ffff0500000001ffffff");
});

Deno.test("decodeFrame() returns types that it does not know, and an empty body", () => {
  assert.deepEqual(decodeFrame(fromHex("9900000000")), {
    type: 0x99,
    linkId: 0,
    body: new Uint8Array(0),
  });
});

Deno.test("decodeFrame() rejects less than a header and more than 1 MiB", () => {
  for (const length of [0, 4, MAX_FRAME_BYTES + 1]) {
    assert.throws(() => decodeFrame(new Uint8Array(length)), {
      code: "invalid",
      message:
        `Cannot decode frame: it has ${length} bytes, expected 5 to 1048576`,
    });
  }
  assert.equal(decodeFrame(new Uint8Array(MAX_FRAME_BYTES)).type, 0);
});

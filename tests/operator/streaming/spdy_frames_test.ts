// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../../lib/shared/base/mod.ts";
import {
  type EncodableFrame,
  encodeFrame,
} from "../../../lib/operator/streaming/spdy_frames.ts";

const CASES: { title: string; frame: EncodableFrame; hex: string }[] = [
  {
    title: "SYN_STREAM with an id above 127",
    frame: {
      type: "syn_stream",
      streamId: 0x12345,
      associatedId: 3,
      priority: 5,
      fin: true,
      unidirectional: true,
      block: fromHex("aabb"),
    },
    hex: "80030001" + "0300000c" + "00012345" + "00000003" + "a000" + "aabb",
  },
  {
    title: "SYN_REPLY",
    frame: {
      type: "syn_reply",
      streamId: 257,
      fin: false,
      block: fromHex("aa"),
    },
    hex: "80030002" + "00000005" + "00000101" + "aa",
  },
  {
    title: "RST_STREAM",
    frame: { type: "rst_stream", streamId: 0x7fffffff, status: 5 },
    hex: "80030003" + "00000008" + "7fffffff" + "00000005",
  },
  {
    title: "SETTINGS",
    frame: {
      type: "settings",
      entries: [{ flags: 1, id: 0x010203, value: 0xffffffff }],
    },
    hex: "80030004" + "0000000c" + "00000001" + "01010203" + "ffffffff",
  },
  {
    title: "PING",
    frame: { type: "ping", id: 0xfffffffe },
    hex: "80030006" + "00000004" + "fffffffe",
  },
  {
    title: "GOAWAY",
    frame: { type: "goaway", lastStreamId: 129, status: 1 },
    hex: "80030007" + "00000008" + "00000081" + "00000001",
  },
  {
    title: "HEADERS",
    frame: { type: "headers", streamId: 1, fin: true, block: fromHex("aa") },
    hex: "80030008" + "01000005" + "00000001" + "aa",
  },
  {
    title: "WINDOW_UPDATE",
    frame: { type: "window_update", streamId: 128, delta: 65536 },
    hex: "80030009" + "00000008" + "00000080" + "00010000",
  },
  {
    title: "data with FIN on an id above 127",
    frame: {
      type: "data",
      streamId: 0x40000001,
      fin: true,
      bytes: fromHex("616263"),
    },
    hex: "40000001" + "01000003" + "616263",
  },
];

for (const { title, frame, hex } of CASES) {
  Deno.test(`encodeFrame() writes ${title}`, () => {
    assert.equal(toHex(encodeFrame(frame)), hex);
  });
}

Deno.test("encodeFrame() throws when the length of the data exceeds 24 bits", () => {
  const bytes = new Uint8Array(0x1000000);
  assert.throws(
    () => encodeFrame({ type: "data", streamId: 1, fin: false, bytes }),
    RangeError,
  );
});

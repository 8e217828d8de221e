// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  concatBytes,
  fromHex,
  fromUtf8,
} from "../../../lib/shared/base/mod.ts";
import {
  encodeFrame,
  type SpdyFrame,
} from "../../../lib/operator/streaming/spdy_frames.ts";
import { SpdyHeaderWriter } from "../../../lib/operator/streaming/spdy_headers.ts";
import { SpdyFrameReader } from "../../../lib/operator/streaming/spdy_reader.ts";

/** What kube-apiserver 1.36.3 sent for `echo abc | kubectl exec -i web -- cat`, in one piece. */
const EXEC = fromHex([
  "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff",
  "800300010000001700000003000000000000c22e555c92929907000000ffff",
  "80030001000000190000000500000000",
  "0000c22ac5565c92925f5a02000000ffff",
  "800300010000001500000007000000000000c229975a5404000000ffff",
  "00000003000000046162630a",
  "0000000301000000",
].join(""));

function readAll(bytes: Uint8Array, pieceBytes: number): SpdyFrame[] {
  const reader = new SpdyFrameReader();
  const frames: SpdyFrame[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.push(bytes.subarray(at, at + pieceBytes));
    for (let frame = reader.next(); frame; frame = reader.next()) {
      frames.push(frame);
    }
  }
  return frames;
}

/** Data pieces of one frame joined, since their borders are the socket's. */
function summarize(frames: SpdyFrame[]): string[] {
  const lines: string[] = [];
  let text = "";
  for (const frame of frames) {
    if (frame.type === "data") {
      text += fromUtf8(frame.bytes);
      if (!frame.fin) continue;
      lines.push(`data ${frame.streamId} ${JSON.stringify(text)} fin`);
      text = "";
    } else if (frame.type === "syn_stream") {
      lines.push(`open ${frame.streamId} ${JSON.stringify(frame.headers)}`);
    } else lines.push(JSON.stringify(frame));
  }
  return lines;
}

for (const pieceBytes of [1, 2, 7, 8, 9, 49, EXEC.length]) {
  Deno.test(`SpdyFrameReader.next() reads a recorded exec in pieces of ${pieceBytes} bytes`, () => {
    assert.deepEqual(summarize(readAll(EXEC, pieceBytes)), [
      'open 1 {"streamtype":"error"}',
      'open 3 {"streamtype":"stdin"}',
      'open 5 {"streamtype":"stdout"}',
      'open 7 {"streamtype":"stderr"}',
      'data 3 "abc\\n" fin',
    ]);
  });
}

const FRAMES: SpdyFrame[] = [
  { type: "rst_stream", streamId: 0x7fffffff, status: 11 },
  {
    type: "settings",
    entries: [{ flags: 1, id: 0x010203, value: 0xffffffff }],
  },
  { type: "settings", entries: [] },
  { type: "ping", id: 0xffffffff },
  { type: "goaway", lastStreamId: 129, status: 2 },
  { type: "window_update", streamId: 257, delta: 0x7fffffff },
  { type: "data", streamId: 0x40000001, fin: true, bytes: new Uint8Array([1]) },
  { type: "data", streamId: 1, fin: true, bytes: new Uint8Array() },
];

for (const frame of FRAMES) {
  Deno.test(`SpdyFrameReader.next() reads ${Deno.inspect(frame, { compact: true, breakLength: 200 })}`, () => {
    if ("headers" in frame) return assert.fail("has no block");
    const bytes = encodeFrame(frame);
    assert.deepEqual(readAll(bytes, 1), [frame]);
    assert.deepEqual(readAll(bytes, bytes.length), [frame]);
  });
}

Deno.test("SpdyFrameReader.next() returns all fields of SYN_STREAM", () => {
  const frame = {
    type: "syn_stream" as const,
    streamId: 0x12345,
    associatedId: 0x54321,
    priority: 7,
    fin: true,
    unidirectional: true,
  };
  const block = new SpdyHeaderWriter().write({ a: "b" });
  const [read] = readAll(encodeFrame({ ...frame, block }), 3);
  assert.deepEqual({ ...read, headers: undefined }, {
    ...frame,
    headers: undefined,
  });
});

Deno.test("SpdyFrameReader.next() returns data as it arrives, with FIN in the last piece", () => {
  const reader = new SpdyFrameReader();
  const bytes = encodeFrame({
    type: "data",
    streamId: 1,
    fin: true,
    bytes: new Uint8Array(100_000),
  });
  reader.push(bytes.subarray(0, 60_000));
  const first = reader.next();
  assert.equal(first?.type === "data" && first.bytes.length, 59_992);
  assert.equal(first?.type === "data" && first.fin, false);
  assert.equal(reader.next(), undefined);
  reader.push(bytes.subarray(60_000));
  const second = reader.next();
  assert.equal(second?.type === "data" && second.fin, true);
});

Deno.test("SpdyFrameReader.next() skips control frames of unknown types", () => {
  const unknown = fromHex("800300ff" + "00000003" + "010203");
  const ping = encodeFrame({ type: "ping", id: 1 });
  assert.deepEqual(readAll(concatBytes([unknown, ping]), 4), [
    { type: "ping", id: 1 },
  ]);
});

for (
  const [what, hex, code] of [
    ["data of stream 0", "0000000000000001", "invalid"],
    ["another version", "8002000600000004", "invalid"],
    ["a control frame that is too long", "80030001" + "00ffffff", "too_large"],
    ["SYN_STREAM that is too short", "800300010000000400000001", "invalid"],
    ["SYN_STREAM of stream 0", "800300010000000a" + "00".repeat(10), "invalid"],
    ["RST_STREAM of a wrong length", "800300030000000400000001", "invalid"],
    ["SETTINGS that count too many", "8003000400000004ffffffff", "invalid"],
    ["PING of a wrong length", "80030006000000020001", "invalid"],
    ["GOAWAY of a wrong length", "800300070000000400000001", "invalid"],
    ["WINDOW_UPDATE of a wrong length", "8003000900000000", "invalid"],
    [
      "a broken header block",
      "800300010000000c" + "0000000100000000" + "0000ffff",
      "invalid",
    ],
  ] as const
) {
  Deno.test(`SpdyFrameReader.next() throws at ${what}`, () => {
    assert.throws(() => readAll(fromHex(hex), 5), { code });
  });
}

Deno.test("SpdyFrameReader.next() returns frames or throws an AranyaError when bytes are random", () => {
  // A fixed row of pseudo-random numbers (Numerical Recipes' LCG): the same cases in every run.
  let state = 42;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
  for (let round = 0; round < 3_000; round++) {
    const bytes = EXEC.slice(0, 1 + random(EXEC.length));
    for (let change = random(6); change > 0; change--) {
      bytes[random(bytes.length)] = random(256);
    }
    try {
      readAll(bytes, 1 + random(64));
    } catch (error) {
      assert.equal(error instanceof Error && error.name, "AranyaError");
    }
  }
});

Deno.test("SpdyFrameReader.next() reads a control frame of 16384 bytes, and throws at one more", () => {
  // A control frame of an unknown type, which is skipped, and a PING.
  const frames = (length: number) => {
    const header = fromHex("8003006300000000");
    new DataView(header.buffer).setUint32(4, length);
    return concatBytes([
      header,
      new Uint8Array(length),
      fromHex("800300060000000400000007"),
    ]);
  };
  assert.deepEqual(readAll(frames(16_384), 100_000), [{ type: "ping", id: 7 }]);
  assert.throws(() => readAll(frames(16_385), 100_000), {
    code: "too_large",
    message:
      "Cannot read SPDY frame: it is 16385 bytes long, expected at most 16384",
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { fromHex, toHex } from "../../../lib/shared/base/mod.ts";
import {
  SpdyHeaderReader,
  SpdyHeaderWriter,
} from "../../../lib/operator/streaming/spdy_headers.ts";

/**
 * Header blocks that kube-apiserver 1.36.3 sent for `kubectl exec -i`: one after the other on one
 * connection.
 */
const BLOCKS_OF_EXEC = [
  "78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff",
  "c22e555c92929907000000ffff",
  "c22ac5565c92925f5a02000000ffff",
  "c229975a5404000000ffff",
];

Deno.test("SpdyHeaderReader.read() reads the blocks of kubectl exec", () => {
  const reader = new SpdyHeaderReader();
  const read = BLOCKS_OF_EXEC.map((block) => ({
    ...reader.read(fromHex(block)),
  }));
  assert.deepEqual(read, [
    { streamtype: "error" },
    { streamtype: "stdin" },
    { streamtype: "stdout" },
    { streamtype: "stderr" },
  ]);
});

Deno.test("SpdyHeaderReader.read() reads the blocks of kubectl port-forward", () => {
  const reader = new SpdyHeaderReader();
  const first = reader.read(
    fromHex(
      "78f9e3c6a7c202253a060606ce2248fc6482d22da30138e59514a526e6420b17d65450d0430aea2250a26635b430b03000000000ffff",
    ),
  );
  const second = reader.read(fromHex("82eac61024641ca8ac4a04000000ffff"));
  assert.deepEqual({ ...first }, {
    port: "18080",
    requestid: "0",
    streamtype: "error",
  });
  assert.deepEqual({ ...second }, { ...first, streamtype: "data" });
});

Deno.test("SpdyHeaderWriter.write() returns stored blocks that end with a flush", () => {
  const writer = new SpdyHeaderWriter();
  assert.equal(
    toHex(writer.write({})),
    "7820e3c6a7c2" + "000400fbff" + "00000000" + "000000ffff",
  );
  assert.equal(
    toHex(writer.write({ a: "bc" })),
    "000f00f0ff" + "00000001" + "0000000161" + "000000026263" + "000000ffff",
  );
});

Deno.test("SpdyHeaderReader.read() reads what SpdyHeaderWriter writes, beyond the window", () => {
  const [reader, writer] = [new SpdyHeaderReader(), new SpdyHeaderWriter()];
  for (let round = 0; round < 40; round++) {
    const headers = { name: `${round}`, value: "x".repeat(3_000) };
    assert.deepEqual({ ...reader.read(writer.write(headers)) }, headers);
  }
});

Deno.test("SpdyHeaderReader.read() throws when a block inflates beyond the limit", () => {
  const reader = new SpdyHeaderReader({ maxInflatedBytes: 1_000 });
  const bomb = deflateSync(new Uint8Array(1_000_000));
  assert.throws(() => reader.read(bomb), { code: "too_large" });
});

for (
  const [what, block] of [
    ["is empty", ""],
    ["is not a zlib stream", "0102030405060708"],
    ["names another dictionary", "7820010203040004"],
    ["ends within the dictionary id", "7820e3c6"],
    ["has invalid compressed data", "7820e3c6a7c2ffffffff"],
    [
      "is too short for the number of pairs",
      "7820e3c6a7c2000200fdff0000000000ffff",
    ],
    [
      "has fewer pairs than announced",
      "7820e3c6a7c2000400fbff00000001000000ffff",
    ],
    ["announces too many pairs", "7820e3c6a7c2000400fbffffffffff000000ffff"],
    [
      "has a name in upper case",
      "7820e3c6a7c2000d00f2ff0000000100000001410000000000000000ffff",
    ],
    [
      "has bytes after the last pair",
      "7820e3c6a7c2000500faff0000000000000000ffff",
    ],
  ] as const
) {
  Deno.test(`SpdyHeaderReader.read() throws when a block ${what}`, () => {
    assert.throws(() => new SpdyHeaderReader().read(fromHex(block)), {
      name: "AranyaError",
    });
  });
}

Deno.test("SpdyHeaderReader.read() accepts names of properties of Object", () => {
  const [reader, writer] = [new SpdyHeaderReader(), new SpdyHeaderWriter()];
  const headers = reader.read(writer.write({ "constructor": "x" }));
  assert.equal(headers["constructor"], "x");
  assert.equal(headers["hasownproperty"], undefined);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  concatBytes,
  fromHex,
  fromUtf8,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import { demux, Demuxer } from "../../../lib/agent/docker/demux.ts";

/** "ab" on stdout, nothing on stderr, "é" on stderr. */
const STREAM = fromHex(
  "0100000000000002" + "6162" + "0200000000000000" + "0200000000000002" +
    "c3a9",
);

function readAll(chunkBytes: number): Record<string, string> {
  const demuxer = new Demuxer();
  const parts: Record<string, number[]> = { stdout: [], stderr: [] };
  for (let at = 0; at < STREAM.length; at += chunkBytes) {
    for (const piece of demuxer.push(STREAM.subarray(at, at + chunkBytes))) {
      parts[piece.stream]?.push(...piece.bytes);
    }
  }
  assert.equal(demuxer.isComplete, true);
  return {
    stdout: fromUtf8(Uint8Array.from(parts["stdout"] ?? [])),
    stderr: fromUtf8(Uint8Array.from(parts["stderr"] ?? [])),
  };
}

Deno.test("Demuxer.push() removes the headers, in chunks of any size", () => {
  for (const chunkBytes of [1, 2, 3, 7, 8, 9, STREAM.length]) {
    assert.deepEqual(readAll(chunkBytes), { stdout: "ab", stderr: "é" });
  }
});

Deno.test("Demuxer.push() returns payloads before their frame is complete", () => {
  const demuxer = new Demuxer();
  const pieces = demuxer.push(fromHex("01000000ffffffff" + "61"));
  assert.equal(pieces.length, 1);
  assert.equal(demuxer.isComplete, false);
});

Deno.test("Demuxer.push() throws for what is no multiplexed stream", () => {
  for (const bytes of [utf8("plain text"), fromHex("0900000000000001")]) {
    assert.throws(() => new Demuxer().push(bytes), /invalid stream header/);
  }
});

Deno.test("demux() yields the pieces of a whole stream", async () => {
  const pieces = await Array.fromAsync(
    demux((async function* () {
      yield STREAM;
    })()),
  );
  assert.deepEqual(pieces.map(({ stream }) => stream), ["stdout", "stderr"]);
});

Deno.test("demux() merges adjacent pieces of one output that arrived together", async () => {
  const frame = (type: number, text: string) =>
    concatBytes([
      Uint8Array.of(type, 0, 0, 0, 0, 0, 0, text.length),
      utf8(text),
    ]);
  const together = [
    ...[frame(1, "one\n"), frame(1, "two\n"), frame(2, "bad\n")],
    ...[frame(2, "worse\n"), frame(1, "three\n")],
  ];
  const pieces = await Array.fromAsync(
    demux((async function* () {
      yield concatBytes(together);
      yield frame(1, "four\n");
    })()),
  );
  assert.deepEqual(
    pieces.map(({ stream, bytes }) => [stream, fromUtf8(bytes)]),
    [
      ["stdout", "one\ntwo\n"],
      ["stderr", "bad\nworse\n"],
      ["stdout", "three\n"],
      ["stdout", "four\n"],
    ],
  );
});

Deno.test("demux() throws when the stream ends in the middle of a frame", async () => {
  for (const missingBytes of [1, 2, 5]) {
    const bytes = STREAM.subarray(0, STREAM.length - missingBytes);
    await assert.rejects(
      Array.fromAsync(demux((async function* () {
        yield bytes;
      })())),
      { code: "unavailable", message: /ended in the middle of a frame/ },
    );
  }
});

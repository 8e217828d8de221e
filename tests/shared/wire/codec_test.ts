// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { AranyaError, fromHex, toHex } from "../../../lib/shared/base/mod.ts";
import {
  decodeEnvelope,
  decodeMessage,
  encodeEnvelope,
  encodeMessage,
  ExecSchema,
  file_aranya,
  PodStatusListSchema,
  UnknownStreamsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { makeGolden, readGolden } from "./_support/golden.ts";

Deno.test("decodeMessage() returns the fields that encodeMessage() was given", () => {
  const bytes = encodeMessage(ExecSchema, {
    target: { container: "app" },
    command: ["ls", "-l"],
    tty: true,
  });
  const { target, command, tty, stdin } = decodeMessage(ExecSchema, bytes);
  assert.equal(target?.container, "app");
  assert.deepEqual(command, ["ls", "-l"]);
  assert.deepEqual([tty, stdin], [true, false]);
});

Deno.test("decodeMessage() throws invalid with the name of the message when the bytes are broken", () => {
  assert.throws(
    () => decodeMessage(ExecSchema, Uint8Array.of(0x0a, 0x50, 1)),
    (error: unknown) =>
      error instanceof AranyaError && error.code === "invalid" &&
      error.message.startsWith("Cannot decode Exec: "),
  );
});

Deno.test("decodeMessage() counts the fields before it decodes them", () => {
  const counts: number[] = [];
  const options = {
    maxFieldCount: 4,
    onCounted: (count: number) => void counts.push(count),
  };
  const encode = (command: string[]) => encodeMessage(ExecSchema, { command });
  decodeMessage(ExecSchema, encode(["a", "b"]), options);
  const many = encode(["a", "b", "c", "d", "e", "f"]);
  assert.throws(() => decodeMessage(ExecSchema, many, options), {
    code: "too_large",
  });
  // It stops to count above the limit.
  assert.deepEqual(counts, [2, 5]);
});

/** A PodStatusList of so many empty PodStatus messages: two bytes each. */
function emptyStatuses(count: number): Uint8Array {
  const bytes = new Uint8Array(2 * count);
  for (let index = 0; index < count; index++) bytes[2 * index] = 0x0a;
  return bytes;
}

Deno.test("decodeMessage() rejects a message of more fields than allowed before it decodes any", () => {
  const { pods } = decodeMessage(PodStatusListSchema, emptyStatuses(65_536));
  assert.equal(pods.length, 65_536);
  const bytes = emptyStatuses(1_000_000);
  const timesMs = Array.from({ length: 5 }, () => {
    const startMs = performance.now();
    assert.throws(() => decodeMessage(PodStatusListSchema, bytes), {
      code: "too_large",
      message:
        "Cannot decode PodStatusList: it has more than 65536 fields, the most allowed",
    });
    return performance.now() - startMs;
  });
  // The fastest of several, for a busy machine interrupts some of them.
  assert.ok(Math.min(...timesMs) < 100, `${timesMs} ms`);
});

Deno.test("decodeMessage() counts nested fields, packed numbers and unknown fields", () => {
  const nested = encodeMessage(PodStatusListSchema, {
    pods: [{ uid: "a", containers: [{ name: "b" }, { name: "c" }] }],
  });
  const packed = encodeMessage(UnknownStreamsSchema, {
    streams: [1, 300, 70_000],
  });
  const unknown = fromHex("f80101fa0100".repeat(3));
  for (
    const [schema, bytes, count] of [
      // pods, uid, and two times containers and name
      [PodStatusListSchema, nested, 6],
      // streams, and its three numbers
      [UnknownStreamsSchema, packed, 4],
      [UnknownStreamsSchema, unknown, 6],
    ] as const
  ) {
    decodeMessage(schema, bytes, { maxFieldCount: count });
    assert.throws(
      () => decodeMessage(schema, bytes, { maxFieldCount: count - 1 }),
      { code: "too_large" },
    );
  }
});

Deno.test("decodeMessage() rejects groups and field number 0, which no version writes", () => {
  for (const hex of ["0b0c", "00", "02"]) {
    assert.throws(() => decodeMessage(ExecSchema, fromHex(hex)), {
      code: "invalid",
    });
  }
});

const SCHEMAS = new Map(
  file_aranya.messages.map((schema) => [schema.name, schema]),
);

Deno.test("decodeMessage() and encodeMessage() convert every message of version 1 as recorded", async () => {
  for (const [name, golden] of Object.entries(await readGolden())) {
    const schema = SCHEMAS.get(golden.message);
    assert.ok(schema, `${name}: the schema no longer has this message`);
    const message = decodeMessage(schema, fromHex(golden.hex));
    assert.deepEqual(toJson(schema, message), golden.json, name);
    const again = encodeMessage(schema, fromJson(schema, golden.json as never));
    assert.equal(toHex(again), golden.hex, name);
  }
});

Deno.test("every message and envelope kind has recorded bytes", async () => {
  const table = await readGolden();
  const missing = Object.keys(makeGolden()).filter((name) => !(name in table));
  const advice = "run `deno run -A tests/shared/wire/_support/golden.ts`";
  assert.deepEqual(missing, [], advice);
});

Deno.test("decodeEnvelope() and encodeEnvelope() convert the envelopes of version 1 as recorded", async () => {
  const table = await readGolden();
  let count = 0;
  for (const { message, hex, json } of Object.values(table)) {
    if (message !== "Command" && message !== "Message") continue;
    const envelope = decodeEnvelope(fromHex(hex));
    const { kind = 0, stream = 0, sequence = "0" } = json as {
      kind?: number;
      stream?: number;
      sequence?: string;
    };
    assert.deepEqual(
      [envelope.kind, envelope.stream, String(envelope.sequence)],
      [kind, stream, sequence],
    );
    assert.equal(toHex(encodeEnvelope(envelope)), hex);
    count++;
  }
  assert.ok(count >= 28);
});

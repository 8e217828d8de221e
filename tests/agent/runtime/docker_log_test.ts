// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  readDockerLog,
  toDockerTime,
} from "../../../lib/agent/runtime/docker_log.ts";
import { FakeDockerClient } from "./_support/fake_docker_client.ts";

const frame = (text: string) =>
  concatBytes([Uint8Array.of(1, 0, 0, 0, 0, 0, 0, text.length), utf8(text)]);

async function read(
  bytes: Uint8Array,
  options: { limitBytes?: number; tty?: boolean },
): Promise<string> {
  const client = new FakeDockerClient({
    respond: () => ({ Config: { Tty: options.tty ?? false } }),
    stream: async function* () {
      for (const byte of bytes) yield Uint8Array.of(byte);
    },
  });
  const chunks = readDockerLog(client, {
    ...options,
    target: { kind: "container", containerId: "c", podUid: "u" },
    follow: false,
    timestamps: false,
    signal: new AbortController().signal,
  });
  return fromUtf8(concatBytes(await Array.fromAsync(chunks)));
}

const LOG = concatBytes([frame("one\n"), frame("two\n")]);

for (
  const { options, expected } of [
    { options: {}, expected: "one\ntwo\n" },
    { options: { limitBytes: 6 }, expected: "one\ntw" },
    { options: { limitBytes: 4 }, expected: "one\n" },
    { options: { limitBytes: 0 }, expected: "" },
  ]
) {
  Deno.test(`readDockerLog() yields the payloads with ${JSON.stringify(options)}`, async () => {
    assert.equal(await read(LOG, options), expected);
  });
}

Deno.test("readDockerLog() yields the log of a terminal unchanged", async () => {
  assert.equal(await read(utf8("raw\r\n"), { tty: true }), "raw\r\n");
});

Deno.test("toDockerTime() keeps all digits of the fraction", () => {
  const seconds = Date.parse("2026-11-21T10:00:00Z") / 1_000;
  assert.equal(
    toDockerTime("2026-11-21T10:00:00.123456789Z"),
    `${seconds}.123456789`,
  );
  assert.equal(
    toDockerTime("2026-11-21T11:00:00+01:00"),
    `${seconds}.000000000`,
  );
});

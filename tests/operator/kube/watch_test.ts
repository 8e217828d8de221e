// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/shared/base/mod.ts";
import { readLines, readWatch } from "../../../lib/operator/kube/watch.ts";
import type { Transport } from "../../../lib/operator/kube/transport.ts";
import type { Script } from "./_support/scripted_server.ts";
import { withTransport } from "./_support/transport.ts";

interface Options {
  idleTimeoutMs?: number;
  signal?: AbortSignal;
}

function open(transport: Transport, options: Options = {}) {
  return readWatch<{ metadata: { name: string } }>(transport, {
    path: "/w",
    action: "watch x",
    idleTimeoutMs: options.idleTimeoutMs ?? 5000,
    signal: options.signal ?? new AbortController().signal,
  });
}

/** Opens a watch against a scripted server and returns its first event. */
async function readFirst(script: Script, options: Options = {}) {
  const events: unknown[] = [];
  await withTransport(async (server, transport) => {
    server.script = script;
    for await (const event of open(transport, options)) {
      events.push(event);
      break;
    }
  });
  return events[0];
}

Deno.test("readWatch() yields all events when the stream is cut at every byte", async () => {
  await withTransport(async (server, transport) => {
    const lines = ["a", "b", "ü"].map((name) =>
      JSON.stringify({ type: "ADDED", object: { metadata: { name } } }) + "\n"
    ).join("");
    server.script = async (_request, response) => {
      for (const byte of utf8(lines)) {
        await new Promise((resolve) =>
          response.write(Uint8Array.of(byte), resolve)
        );
      }
      response.end();
    };
    const names: string[] = [];
    for await (const event of open(transport)) {
      assert.ok(event.type === "ADDED");
      names.push(event.object.metadata.name);
    }
    assert.deepEqual(names, ["a", "b", "ü"]);
  });
});

Deno.test("readWatch() yields an error event with code and message", async () => {
  const event = await readFirst((_request, response) =>
    response.end('{"type":"ERROR","object":{"code":410,"message":"old"}}\n')
  );
  assert.deepEqual(event, { type: "ERROR", code: 410, message: "old" });
});

Deno.test("readWatch() throws when the server refuses the watch", async () => {
  const script: Script = (_request, response) =>
    response.writeHead(403).end('{"message":"no right","reason":"Forbidden"}');
  await assert.rejects(readFirst(script), {
    code: "forbidden",
    message: "Cannot watch x: no right",
  });
});

Deno.test("readWatch() throws when no data arrives for the idle time-out", async () => {
  const script: Script = (_request, response) => void response.write("\n");
  await assert.rejects(readFirst(script, { idleTimeoutMs: 200 }), {
    code: "timed_out",
    message: "Cannot watch x: no data for 200 ms",
  });
});

Deno.test("readWatch() throws when the connection breaks", async () => {
  const script: Script = (_request, response) => {
    response.write("\n", () => response.destroy());
  };
  await assert.rejects(readFirst(script), { code: "unavailable" });
});

Deno.test("readWatch() throws when a line is not JSON", async () => {
  const script: Script = (_request, response) => response.end("garbage\n");
  await assert.rejects(readFirst(script), {
    code: "unavailable",
    message: /isn't JSON/,
  });
});

Deno.test("readWatch() throws the signal's reason when it is aborted", async () => {
  const signal = AbortSignal.timeout(100);
  await assert.rejects(readFirst(() => {}, { signal }), {
    name: "TimeoutError",
  });
});

Deno.test("readLines() yields complete lines when the stream is cut at every byte", async () => {
  async function* bytes() {
    for (const byte of utf8("one\n\ntwo\nrest")) {
      yield await Promise.resolve(Uint8Array.of(byte));
    }
  }
  const lines: string[] = [];
  for await (const line of readLines(bytes())) lines.push(line);
  assert.deepEqual(lines, ["one", "two"]);
});

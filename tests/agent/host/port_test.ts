// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  dialPort,
  PortDialError,
  relayConnection,
} from "../../../lib/agent/host/port.ts";

/** Starts a server for one connection. */
async function serve(
  work: (conn: Deno.TcpConn) => Promise<void>,
): Promise<{ port: number; done: Promise<void> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const done = (async () => {
    const conn = await listener.accept();
    listener.close();
    await work(conn);
    conn.close();
  })();
  await Promise.resolve();
  return { port: listener.addr.port, done };
}

async function forward(
  port: number,
  options: { input?: AsyncIterable<Uint8Array>; signal?: AbortSignal } = {},
): Promise<string> {
  const { input = yieldEach("ping"), signal = new AbortController().signal } =
    options;
  const action = `Cannot forward to port ${port}`;
  let text = "";
  const conn = await dialPort({
    addresses: ["127.0.0.1"],
    port,
    action,
    signal,
  });
  await relayConnection(conn, {
    action,
    io: {
      input,
      output: (chunk) => Promise.resolve(void (text += fromUtf8(chunk))),
      endOutput: () => Promise.resolve(void (text += "|")),
      signal,
    },
  });
  return text;
}

async function* yieldEach(...texts: string[]) {
  for (const text of texts) {
    await Promise.resolve();
    yield utf8(text);
  }
}

Deno.test("relayConnection() returns the response after the client's half-close", async () => {
  const { port, done } = await serve(async (conn) => {
    const buffer = new Uint8Array(100);
    let text = "";
    for (
      let count = await conn.read(buffer);
      count !== null;
      count = await conn.read(buffer)
    ) text += fromUtf8(buffer.subarray(0, count));
    await conn.write(utf8(`got ${text}`));
  });
  assert.equal(await forward(port), "got ping|");
  await done;
});

Deno.test("relayConnection() ends with the signal", async () => {
  const stop = new AbortController();
  const { port, done } = await serve(async (conn) => {
    stop.abort();
    await conn.read(new Uint8Array(100));
    await conn.read(new Uint8Array(100)).catch(() => {});
  });
  const never = (async function* () {
    yield utf8("x");
    await new Promise(() => {});
  })();
  assert.equal(await forward(port, { input: never, signal: stop.signal }), "");
  await done;
});

Deno.test("dialPort() fails when nothing listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(forward(port), (error) => {
    assert.ok(error instanceof PortDialError);
    assert.equal(
      error.message,
      `Cannot forward to port ${port}: nothing listens on port ${port}`,
    );
    return true;
  });
});

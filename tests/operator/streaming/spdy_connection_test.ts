// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromHex, utf8, whenAborted } from "../../../lib/shared/base/mod.ts";
import { encodeFrame } from "../../../lib/operator/streaming/spdy_frames.ts";
import {
  serveSpdy,
  type ServeSpdyOptions,
  type SpdyConnection,
} from "../../../lib/operator/streaming/spdy_connection.ts";
import type { SpdyStream } from "../../../lib/operator/streaming/spdy_stream.ts";
import { until } from "../../../dev/base/wait.ts";
import { openSocketPair, SpdyClient } from "./_support/spdy_client.ts";

/** A connection with a scripted client, and the streams that the client has opened. */
interface Fixture extends AsyncDisposable {
  client: SpdyClient;
  connection: SpdyConnection;
  streams: SpdyStream[];
  disconnect(): void;
  pauseClient(): void;
}

async function createFixture(
  options: Partial<ServeSpdyOptions> = {},
): Promise<Fixture> {
  const pair = await openSocketPair();
  const streams: SpdyStream[] = [];
  const connection = serveSpdy(pair.server, {
    onStream: (stream) => void streams.push(stream),
    ...options,
  });
  return {
    client: new SpdyClient(pair.client),
    connection,
    streams,
    disconnect: () => void pair.client.destroy(),
    pauseClient: () => void pair.client.pause(),
    async [Symbol.asyncDispose]() {
      pair.client.resume();
      pair.client.end();
      await connection.close();
      await pair[Symbol.asyncDispose]();
    },
  };
}

Deno.test("serveSpdy() replies to new streams and passes their headers", async () => {
  await using fixture = await createFixture();
  const id = fixture.client.open({ streamtype: "data", port: "80" });
  await fixture.client.until(() => fixture.client.frames.length > 0);
  assert.deepEqual(fixture.client.frames[0]?.type, "syn_reply");
  assert.equal(fixture.streams[0]?.id, id);
  assert.equal(fixture.streams[0]?.headers["port"], "80");
});

Deno.test("serveSpdy() carries bytes in both directions, which end independently", async () => {
  await using fixture = await createFixture();
  const { client } = fixture;
  const id = client.open({});
  client.data(id, "ping", { fin: true });
  await client.until(() => fixture.streams.length === 1);
  const [stream] = fixture.streams;
  assert.ok(stream);
  const read = await Array.fromAsync(stream.readable);
  assert.equal(read.length, 1);
  await stream.write(utf8("pong"));
  stream.end();
  stream.end();
  await client.until(() => client.hasEnded(id));
  assert.equal(client.textOf(id), "pong");
  await assert.rejects(stream.write(utf8("x")), { code: "cancelled" });
});

Deno.test("serveSpdy() reads the bytes that arrived with the upgrade request", async () => {
  const head = encodeFrame({ type: "ping", id: 7 });
  await using fixture = await createFixture({ head });
  await fixture.client.until(() =>
    fixture.client.frames.some((frame) =>
      frame.type === "ping" && frame.id === 7
    )
  );
});

Deno.test("serveSpdy() replies to pings of the client, not to replies to its own", async () => {
  await using fixture = await createFixture();
  for (const id of [1, 2, 3]) {
    fixture.client.raw(encodeFrame({ type: "ping", id }));
  }
  const pings = () =>
    fixture.client.frames.flatMap((one) => one.type === "ping" ? [one.id] : []);
  await fixture.client.until(() => pings().length >= 2);
  assert.deepEqual(pings(), [1, 3]);
});

Deno.test("serveSpdy() pings a client that sends nothing", async () => {
  await using fixture = await createFixture({ pingIntervalMs: 5 });
  await fixture.client.until(() =>
    fixture.client.frames.filter((frame) => frame.type === "ping").length > 1
  );
  assert.deepEqual(fixture.client.frames[0], { type: "ping", id: 2 });
});

Deno.test("serveSpdy() closes the connection after the idle time-out", async () => {
  await using fixture = await createFixture({
    pingIntervalMs: 5,
    idleTimeoutMs: 20,
  });
  await fixture.client.until(() => fixture.client.ended);
  assert.equal(fixture.connection.signal.aborted, true);
});

Deno.test("serveSpdy() fails only the stream that the client resets", async () => {
  await using fixture = await createFixture();
  const { client, streams } = fixture;
  const [first, second] = [client.open({}), client.open({})];
  await client.until(() => streams.length === 2);
  client.reset(first);
  client.data(second, "on", { fin: true });
  assert.ok(streams[0] && streams[1]);
  await assert.rejects(Array.fromAsync(streams[0].readable), {
    code: "cancelled",
  });
  assert.equal(streams[0].signal.aborted, true);
  assert.equal((await Array.fromAsync(streams[1].readable)).length, 1);
  assert.equal(streams[1].signal.aborted, false);
});

Deno.test("serveSpdy() resets streams that are above the limit or refused", async () => {
  await using fixture = await createFixture({
    maxStreams: 1,
    onStream: (stream) => stream.headers["no"] ? "refuse" : undefined,
  });
  const { client } = fixture;
  const refused = client.open({ no: "1" });
  const taken = client.open({});
  const above = client.open({});
  await client.until(() => client.wasReset(above));
  assert.deepEqual([refused, taken].map((id) => client.wasReset(id)), [
    true,
    false,
  ]);
});

Deno.test("serveSpdy() delivers 20 MiB to a slow reader", async () => {
  await using fixture = await createFixture();
  const { client, streams } = fixture;
  const id = client.open({});
  const total = 20 * 1024 * 1024;
  const chunk = new Uint8Array(512 * 1024);
  for (let sent = 0; sent < total; sent += chunk.length) client.data(id, chunk);
  client.data(id, "", { fin: true });
  await client.until(() => streams.length === 1);
  assert.ok(streams[0]);
  let bytes = 0;
  for await (const piece of streams[0].readable) bytes += piece.length;
  assert.equal(bytes, total);
});

Deno.test("serveSpdy() blocks a writer while the client does not read", async () => {
  await using fixture = await createFixture();
  const { client, streams } = fixture;
  const id = client.open({});
  await client.until(() => streams.length === 1);
  assert.ok(streams[0]);
  fixture.pauseClient();
  let written = 0;
  const chunk = new Uint8Array(1024 * 1024);
  const writing = (async () => {
    for (; written < 200; written++) await streams[0]?.write(chunk);
  })();
  let before = 0;
  await until(() => {
    const isBlocked = written > 0 && written === before;
    before = written;
    return isBlocked;
  }, { what: "a blocked writer", intervalMs: 100 });
  assert.ok(written < 200, `${written} MiB were written`);
  assert.equal(client.bytesOf(id) < 200 * chunk.length, true);
  fixture.disconnect();
  await assert.rejects(writing, { code: "cancelled" });
});

Deno.test("serveSpdy() fails every stream when the client disconnects", async () => {
  await using fixture = await createFixture();
  const { client, streams } = fixture;
  client.open({});
  await client.until(() => streams.length === 1);
  const reading = Array.fromAsync(streams[0]?.readable ?? []);
  fixture.disconnect();
  await assert.rejects(reading, { code: "cancelled" });
  assert.equal(fixture.connection.signal.aborted, true);
});

Deno.test("serveSpdy() notices that the client disconnects while reading is paused", async () => {
  await using fixture = await createFixture({ pingIntervalMs: 10 });
  const { client, streams } = fixture;
  const id = client.open({});
  for (let count = 0; count < 10; count++) {
    client.data(id, new Uint8Array(1024 * 1024));
  }
  await client.until(() => streams.length === 1);
  fixture.disconnect();
  await whenAborted(fixture.connection.signal);
});

for (
  const [what, hex] of [
    ["an HTTP request", "474554202f20485454502f312e310d0a"],
    ["data of a stream that was never opened", "0000000900000001ff"],
    [
      "a reply to a stream",
      "800300020000001300000001" + "7820e3c6a7c2000400fbff00000000",
    ],
    [
      "an even stream",
      "800300010000001900000002" + "000000000000" +
      "7820e3c6a7c2000400fbff00000000",
    ],
  ] as const
) {
  Deno.test(`serveSpdy() closes with GOAWAY after ${what}`, async () => {
    await using fixture = await createFixture();
    const { client } = fixture;
    client.raw(fromHex(hex));
    await client.until(() => client.ended);
    const last = client.frames.at(-1);
    assert.deepEqual(last, { type: "goaway", lastStreamId: 0, status: 1 });
  });
}

Deno.test("serveSpdy() ignores data for a stream that it has reset", async () => {
  await using fixture = await createFixture();
  const { client, streams } = fixture;
  const id = client.open({});
  await client.until(() => streams.length === 1);
  streams[0]?.reset();
  client.data(id, "late");
  client.raw(encodeFrame({ type: "ping", id: 9 }));
  await client.until(() => client.frames.some((one) => one.type === "ping"));
});

Deno.test("serveSpdy() disconnects a client that sends pings without reading the replies", async () => {
  await using fixture = await createFixture();
  fixture.pauseClient();
  const pings = new Uint8Array(12 * 60_000);
  const ping = encodeFrame({ type: "ping", id: 1 });
  for (let at = 0; at < pings.length; at += ping.length) pings.set(ping, at);
  const feeding = setInterval(() => fixture.client.raw(pings), 1);
  await whenAborted(fixture.connection.signal);
  clearInterval(feeding);
});

Deno.test("SpdyConnection.close() flushes, sends GOAWAY, and may be called twice", async () => {
  await using fixture = await createFixture();
  const { client, streams, connection } = fixture;
  const id = client.open({});
  await client.until(() => streams.length === 1);
  await streams[0]?.write(new Uint8Array(300_000));
  streams[0]?.end();
  const closing = Promise.all([connection.close(), connection.close()]);
  await client.until(() => client.ended);
  assert.equal(client.bytesOf(id), 300_000);
  assert.deepEqual(client.frames.at(-1), {
    type: "goaway",
    lastStreamId: id,
    status: 0,
  });
  fixture.disconnect();
  await closing;
});

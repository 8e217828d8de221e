// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromHex, utf8 } from "../../../lib/shared/base/mod.ts";
import { encodeFrame } from "../../../lib/operator/streaming/spdy_frames.ts";
import {
  serveSpdy,
  type ServeSpdyOptions,
  type SpdyConnection,
} from "../../../lib/operator/streaming/spdy_connection.ts";
import type { SpdyStream } from "../../../lib/operator/streaming/spdy_stream.ts";
import { makeSocketPair, SpdyClient } from "./_support/spdy_client.ts";

/** A connection with a scripted client, and the streams that it has opened. */
interface Bench extends AsyncDisposable {
  client: SpdyClient;
  connection: SpdyConnection;
  streams: SpdyStream[];
  leave(): void;
  pauseClient(): void;
}

async function makeBench(
  options: Partial<ServeSpdyOptions> = {},
): Promise<Bench> {
  const pair = await makeSocketPair();
  const streams: SpdyStream[] = [];
  const connection = serveSpdy(pair.server, {
    onStream: (stream) => void streams.push(stream),
    ...options,
  });
  return {
    client: new SpdyClient(pair.client),
    connection,
    streams,
    leave: () => void pair.client.destroy(),
    pauseClient: () => void pair.client.pause(),
    async [Symbol.asyncDispose]() {
      pair.client.resume();
      pair.client.end();
      await connection.close();
      await pair[Symbol.asyncDispose]();
    },
  };
}

Deno.test("serveSpdy() replies to streams and gives their headers", async () => {
  await using bench = await makeBench();
  const id = bench.client.open({ streamtype: "data", port: "80" });
  await bench.client.until(() => bench.client.frames.length > 0);
  assert.deepEqual(bench.client.frames[0]?.type, "syn_reply");
  assert.equal(bench.streams[0]?.id, id);
  assert.equal(bench.streams[0]?.headers["port"], "80");
});

Deno.test("serveSpdy() carries bytes both ways with half-closes of their own", async () => {
  await using bench = await makeBench();
  const { client } = bench;
  const id = client.open({});
  client.data(id, "ping", { fin: true });
  await client.until(() => bench.streams.length === 1);
  const [stream] = bench.streams;
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

Deno.test("serveSpdy() reads what came with the upgrade's request", async () => {
  const head = encodeFrame({ type: "ping", id: 7 });
  await using bench = await makeBench({ head });
  await bench.client.until(() =>
    bench.client.frames.some((frame) => frame.type === "ping" && frame.id === 7)
  );
});

Deno.test("serveSpdy() answers the client's pings and not the answers to its own", async () => {
  await using bench = await makeBench();
  for (const id of [1, 2, 3]) {
    bench.client.raw(encodeFrame({ type: "ping", id }));
  }
  const pings = () =>
    bench.client.frames.flatMap((one) => one.type === "ping" ? [one.id] : []);
  await bench.client.until(() => pings().length >= 2);
  assert.deepEqual(pings(), [1, 3]);
});

Deno.test("serveSpdy() pings a quiet client", async () => {
  await using bench = await makeBench({ pingIntervalMs: 5 });
  await bench.client.until(() =>
    bench.client.frames.filter((frame) => frame.type === "ping").length > 1
  );
  assert.deepEqual(bench.client.frames[0], { type: "ping", id: 2 });
});

Deno.test("serveSpdy() ends a connection without data after the idle time", async () => {
  await using bench = await makeBench({ pingIntervalMs: 5, idleTimeoutMs: 20 });
  await bench.client.until(() => bench.client.ended);
  assert.equal(bench.connection.signal.aborted, true);
});

Deno.test("serveSpdy() fails a stream that the client resets and keeps the others", async () => {
  await using bench = await makeBench();
  const { client, streams } = bench;
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

Deno.test("serveSpdy() resets streams above its limit and those refused", async () => {
  await using bench = await makeBench({
    maxStreams: 1,
    onStream: (stream) => stream.headers["no"] ? "refuse" : undefined,
  });
  const { client } = bench;
  const refused = client.open({ no: "1" });
  const taken = client.open({});
  const above = client.open({});
  await client.until(() => client.wasReset(above));
  assert.deepEqual([refused, taken].map((id) => client.wasReset(id)), [
    true,
    false,
  ]);
});

Deno.test("serveSpdy() stops reading when a reader lags, and goes on when it reads", async () => {
  await using bench = await makeBench();
  const { client, streams } = bench;
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

Deno.test("serveSpdy() holds a writer back while the client does not read", async () => {
  await using bench = await makeBench();
  const { client, streams } = bench;
  const id = client.open({});
  await client.until(() => streams.length === 1);
  assert.ok(streams[0]);
  bench.pauseClient();
  let written = 0;
  const chunk = new Uint8Array(1024 * 1024);
  const writing = (async () => {
    for (; written < 200; written++) await streams[0]?.write(chunk);
  })();
  const blocked = await Promise.race([
    writing.then(() => false),
    new Promise<true>((resolve) => setTimeout(() => resolve(true), 200)),
  ]);
  assert.equal(blocked, true);
  assert.equal(client.bytesOf(id) < 200 * chunk.length, true);
  bench.leave();
  await assert.rejects(writing, { code: "cancelled" });
});

Deno.test("serveSpdy() tells every stream that the client has left", async () => {
  await using bench = await makeBench();
  const { client, streams } = bench;
  client.open({});
  await client.until(() => streams.length === 1);
  const reading = Array.fromAsync(streams[0]?.readable ?? []);
  bench.leave();
  await assert.rejects(reading, { code: "cancelled" });
  assert.equal(bench.connection.signal.aborted, true);
});

Deno.test("serveSpdy() notices a client that leaves while its stream is not read", async () => {
  await using bench = await makeBench({ pingIntervalMs: 10 });
  const { client, streams } = bench;
  const id = client.open({});
  for (let count = 0; count < 10; count++) {
    client.data(id, new Uint8Array(1024 * 1024));
  }
  await client.until(() => streams.length === 1);
  bench.leave();
  await new Promise<void>((resolve) => {
    if (bench.connection.signal.aborted) return resolve();
    bench.connection.signal.addEventListener("abort", () => resolve());
  });
});

for (
  const [what, hex] of [
    ["an HTTP request", "474554202f20485454502f312e310d0a"],
    ["data of a stream that was never opened", "0000000900000001ff"],
    ["a reply", "800300020000001300000001" + "7820e3c6a7c2000400fbff00000000"],
    [
      "an even stream",
      "800300010000001900000002" + "000000000000" +
      "7820e3c6a7c2000400fbff00000000",
    ],
  ] as const
) {
  Deno.test(`serveSpdy() ends with GOAWAY after ${what}`, async () => {
    await using bench = await makeBench();
    const { client } = bench;
    client.raw(fromHex(hex));
    await client.until(() => client.ended);
    const last = client.frames.at(-1);
    assert.deepEqual(last, { type: "goaway", lastStreamId: 0, status: 1 });
  });
}

Deno.test("serveSpdy() ignores data that was on its way to a stream it has ended", async () => {
  await using bench = await makeBench();
  const { client, streams } = bench;
  const id = client.open({});
  await client.until(() => streams.length === 1);
  streams[0]?.reset();
  client.data(id, "late");
  client.raw(encodeFrame({ type: "ping", id: 9 }));
  await client.until(() => client.frames.some((one) => one.type === "ping"));
});

Deno.test("serveSpdy() cuts off a client that asks without reading the answers", async () => {
  await using bench = await makeBench();
  bench.pauseClient();
  const pings = new Uint8Array(12 * 60_000);
  const ping = encodeFrame({ type: "ping", id: 1 });
  for (let at = 0; at < pings.length; at += ping.length) pings.set(ping, at);
  const feeding = setInterval(() => bench.client.raw(pings), 1);
  await new Promise<void>((resolve) =>
    bench.connection.signal.addEventListener("abort", () => resolve())
  );
  clearInterval(feeding);
});

Deno.test("close() flushes what was written, says GOAWAY and may be called twice", async () => {
  await using bench = await makeBench();
  const { client, streams, connection } = bench;
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
  bench.leave();
  await closing;
});

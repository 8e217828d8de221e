// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { ForwardedPort } from "../../../lib/shared/exec/mod.ts";
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import {
  servePortForward,
  type ServePortForwardOptions,
} from "../../../lib/operator/streaming/port_forward.ts";
import { makeSocketPair, SpdyClient } from "./_support/spdy_client.ts";

interface Bench extends AsyncDisposable {
  client: SpdyClient;
  /** Opens a pair as kubectl does: error first, its half closed at once. */
  openPair(requestid: string, port: string): { error: number; data: number };
  leave(): void;
  served: Promise<void>;
}

async function makeBench(
  options: Partial<ServePortForwardOptions> & {
    connect: ServePortForwardOptions["connect"];
  },
): Promise<Bench> {
  const pair = await makeSocketPair();
  const served = servePortForward(pair.server, {
    describe: (port) => `error forwarding port ${port}`,
    ...options,
  });
  const client = new SpdyClient(pair.client);
  return {
    client,
    served,
    leave: () => void pair.client.destroy(),
    openPair(requestid, port) {
      const error = client.open({ streamtype: "error", requestid, port });
      client.data(error, "", { fin: true });
      const data = client.open({ streamtype: "data", requestid, port });
      return { error, data };
    },
    async [Symbol.asyncDispose]() {
      pair.client.end();
      await served;
      await pair[Symbol.asyncDispose]();
    },
  };
}

async function echo(connection: ForwardedPort): Promise<void> {
  for await (const chunk of connection.input) {
    await connection.output(concatBytes([utf8(`${connection.port}:`), chunk]));
  }
  await connection.endOutput();
}

Deno.test("servePortForward() carries connections apart from each other", async () => {
  await using bench = await makeBench({ connect: echo });
  const { client } = bench;
  const first = bench.openPair("0", "80");
  const second = bench.openPair("1", "81");
  client.data(second.data, "b", { fin: true });
  client.data(first.data, "a", { fin: true });
  await client.until(() =>
    [first, second].every((one) =>
      client.hasEnded(one.data) && client.hasEnded(one.error)
    )
  );
  assert.equal(client.textOf(first.data), "80:a");
  assert.equal(client.textOf(second.data), "81:b");
  assert.equal(client.textOf(first.error), "");
});

Deno.test("servePortForward() goes on giving output after the client's half-close", async () => {
  await using bench = await makeBench({
    async connect(connection) {
      const input = await Array.fromAsync(connection.input);
      await connection.output(utf8(`after ${fromUtf8(concatBytes(input))}`));
      await connection.endOutput();
    },
  });
  const { client } = bench;
  const pair = bench.openPair("0", "80");
  client.data(pair.data, "eof", { fin: true });
  await client.until(() => client.hasEnded(pair.data));
  assert.equal(client.textOf(pair.data), "after eof");
});

Deno.test("servePortForward() tells a failed connection on its error stream and keeps the others", async () => {
  await using bench = await makeBench({
    connect: (connection) =>
      connection.port === 1
        ? Promise.reject(new AranyaError("unavailable", "refused"))
        : echo(connection),
  });
  const { client } = bench;
  const good = bench.openPair("0", "80");
  const bad = bench.openPair("1", "1");
  await client.until(() => client.hasEnded(bad.error));
  assert.equal(client.textOf(bad.error), "error forwarding port 1: refused");
  await client.until(() => client.wasReset(bad.data));
  client.data(good.data, "x", { fin: true });
  await client.until(() => client.hasEnded(good.data));
  assert.equal(client.textOf(good.data), "80:x");
});

Deno.test("servePortForward() takes the client's reset after our end for its end", async () => {
  const ended = Promise.withResolvers<void>();
  await using bench = await makeBench({
    async connect({ input, endOutput }) {
      await endOutput();
      await Array.fromAsync(input);
      ended.resolve();
    },
  });
  const { client } = bench;
  const pair = bench.openPair("0", "80");
  await client.until(() => client.hasEnded(pair.data));
  client.reset(pair.data);
  await ended.promise;
  await client.until(() => client.hasEnded(pair.error));
  assert.equal(client.textOf(pair.error), "");
});

Deno.test("servePortForward() aborts a connection that the client resets, without a text", async () => {
  const aborted = Promise.withResolvers<void>();
  await using bench = await makeBench({
    async connect({ input, signal }) {
      signal.addEventListener("abort", () => aborted.resolve());
      await Array.fromAsync(input);
    },
  });
  const { client } = bench;
  const pair = bench.openPair("0", "80");
  client.reset(pair.data);
  await aborted.promise;
  await client.until(() => client.hasEnded(pair.error));
  assert.equal(client.textOf(pair.error), "");
});

Deno.test("servePortForward() pairs streams of old clients without a request id", async () => {
  await using bench = await makeBench({ connect: echo });
  const { client } = bench;
  client.open({ streamtype: "error", port: "80" });
  const data = client.open({ streamtype: "data", port: "80" });
  client.data(data, "old", { fin: true });
  await client.until(() => client.hasEnded(data));
  assert.equal(client.textOf(data), "80:old");
});

for (
  const headers of [
    { streamtype: "error" },
    { streamtype: "error", port: "0" },
    { streamtype: "error", port: "65536" },
    { streamtype: "error", port: "http" },
    { streamtype: "other", port: "80" },
    { port: "80" },
  ]
) {
  Deno.test(`servePortForward() refuses a stream with ${JSON.stringify(headers)}`, async () => {
    await using bench = await makeBench({ connect: echo });
    const id = bench.client.open({ ...headers } as Record<string, string>);
    await bench.client.until(() => bench.client.wasReset(id));
  });
}

Deno.test("servePortForward() refuses a second stream of one kind and keeps the pair", async () => {
  await using bench = await makeBench({ connect: echo });
  const { client } = bench;
  const headers = { streamtype: "error", port: "80", requestid: "5" };
  client.open(headers);
  const twin = client.open(headers);
  await client.until(() => client.wasReset(twin));
  const data = client.open({ ...headers, streamtype: "data" });
  client.data(data, "x", { fin: true });
  await client.until(() => client.hasEnded(data));
});

Deno.test("servePortForward() says that the second stream of a pair did not come", async () => {
  await using bench = await makeBench({ connect: echo, pairTimeoutMs: 20 });
  const { client } = bench;
  const alone = client.open({
    streamtype: "error",
    port: "80",
    requestid: "9",
  });
  const other = client.open({ streamtype: "data", port: "80", requestid: "8" });
  await client.until(() => client.hasEnded(alone) && client.wasReset(other));
  assert.match(client.textOf(alone), /timed out waiting for streams/);
});

Deno.test("servePortForward() aborts its connections when the client leaves", async () => {
  const aborted = Promise.withResolvers<void>();
  const bench = await makeBench({
    connect: ({ signal }) => {
      signal.addEventListener("abort", () => aborted.resolve());
      return new Promise(() => {});
    },
  });
  const pair = bench.openPair("0", "80");
  await bench.client.until(() =>
    bench.client.frames.some((one) =>
      one.type === "syn_reply" && one.streamId === pair.data
    )
  );
  bench.leave();
  await aborted.promise;
  await bench.served;
  await bench[Symbol.asyncDispose]();
});

Deno.test("servePortForward() ends with its signal", async () => {
  const stop = new AbortController();
  await using bench = await makeBench({
    connect: echo,
    signal: stop.signal,
  });
  bench.openPair("0", "80");
  stop.abort();
  await bench.client.until(() => bench.client.ended);
});

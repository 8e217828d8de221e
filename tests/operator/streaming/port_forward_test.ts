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
import { openSocketPair, SpdyClient } from "./_support/spdy_client.ts";

interface Fixture extends AsyncDisposable {
  client: SpdyClient;
  /** Opens a pair like kubectl: the error stream first, with its input ended at once. */
  openPair(requestid: string, port: string): { error: number; data: number };
  disconnect(): void;
  served: Promise<void>;
}

async function createFixture(
  options: Partial<ServePortForwardOptions> & {
    connect: ServePortForwardOptions["connect"];
  },
): Promise<Fixture> {
  const pair = await openSocketPair();
  const served = servePortForward(pair.server, {
    errorPrefix: (port) => `error forwarding port ${port}`,
    ...options,
  });
  const client = new SpdyClient(pair.client);
  return {
    client,
    served,
    disconnect: () => void pair.client.destroy(),
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

Deno.test("servePortForward() carries several connections at once", async () => {
  await using fixture = await createFixture({ connect: echo });
  const { client } = fixture;
  const first = fixture.openPair("0", "80");
  const second = fixture.openPair("1", "81");
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

Deno.test("servePortForward() sends output after the client has ended its input", async () => {
  await using fixture = await createFixture({
    async connect(connection) {
      const input = await Array.fromAsync(connection.input);
      await connection.output(utf8(`after ${fromUtf8(concatBytes(input))}`));
      await connection.endOutput();
    },
  });
  const { client } = fixture;
  const pair = fixture.openPair("0", "80");
  client.data(pair.data, "eof", { fin: true });
  await client.until(() => client.hasEnded(pair.data));
  assert.equal(client.textOf(pair.data), "after eof");
});

Deno.test("servePortForward() reports a failed connection on its error stream alone", async () => {
  await using fixture = await createFixture({
    connect: (connection) =>
      connection.port === 1
        ? Promise.reject(new AranyaError("unavailable", "refused"))
        : echo(connection),
  });
  const { client } = fixture;
  const good = fixture.openPair("0", "80");
  const bad = fixture.openPair("1", "1");
  await client.until(() => client.hasEnded(bad.error));
  assert.equal(client.textOf(bad.error), "error forwarding port 1: refused");
  await client.until(() => client.wasReset(bad.data));
  client.data(good.data, "x", { fin: true });
  await client.until(() => client.hasEnded(good.data));
  assert.equal(client.textOf(good.data), "80:x");
});

Deno.test("servePortForward() ends the input when the client resets after the output has ended", async () => {
  const ended = Promise.withResolvers<void>();
  await using fixture = await createFixture({
    async connect({ input, endOutput }) {
      await endOutput();
      await Array.fromAsync(input);
      ended.resolve();
    },
  });
  const { client } = fixture;
  const pair = fixture.openPair("0", "80");
  await client.until(() => client.hasEnded(pair.data));
  client.reset(pair.data);
  await ended.promise;
  await client.until(() => client.hasEnded(pair.error));
  assert.equal(client.textOf(pair.error), "");
});

Deno.test("servePortForward() aborts a connection without a text when the client resets it", async () => {
  const aborted = Promise.withResolvers<void>();
  await using fixture = await createFixture({
    async connect({ input, signal }) {
      signal.addEventListener("abort", () => aborted.resolve());
      await Array.fromAsync(input);
    },
  });
  const { client } = fixture;
  const pair = fixture.openPair("0", "80");
  client.reset(pair.data);
  await aborted.promise;
  await client.until(() => client.hasEnded(pair.error));
  assert.equal(client.textOf(pair.error), "");
});

Deno.test("servePortForward() pairs streams when they have no request id", async () => {
  await using fixture = await createFixture({ connect: echo });
  const { client } = fixture;
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
    await using fixture = await createFixture({ connect: echo });
    const id = fixture.client.open({ ...headers } as Record<string, string>);
    await fixture.client.until(() => fixture.client.wasReset(id));
  });
}

Deno.test("servePortForward() refuses a second stream of one kind, and keeps the first", async () => {
  await using fixture = await createFixture({ connect: echo });
  const { client } = fixture;
  const headers = { streamtype: "error", port: "80", requestid: "5" };
  client.open(headers);
  const twin = client.open(headers);
  await client.until(() => client.wasReset(twin));
  const data = client.open({ ...headers, streamtype: "data" });
  client.data(data, "x", { fin: true });
  await client.until(() => client.hasEnded(data));
});

Deno.test("servePortForward() reports a time-out when the second stream does not arrive", async () => {
  await using fixture = await createFixture({
    connect: echo,
    pairTimeoutMs: 20,
  });
  const { client } = fixture;
  const alone = client.open({
    streamtype: "error",
    port: "80",
    requestid: "9",
  });
  const other = client.open({ streamtype: "data", port: "80", requestid: "8" });
  await client.until(() => client.hasEnded(alone) && client.wasReset(other));
  assert.match(client.textOf(alone), /timed out waiting for streams/);
});

Deno.test("servePortForward() aborts its connections when the client disconnects", async () => {
  const aborted = Promise.withResolvers<void>();
  const fixture = await createFixture({
    connect: ({ signal }) => {
      signal.addEventListener("abort", () => aborted.resolve());
      return new Promise(() => {});
    },
  });
  const pair = fixture.openPair("0", "80");
  await fixture.client.until(() =>
    fixture.client.frames.some((one) =>
      one.type === "syn_reply" && one.streamId === pair.data
    )
  );
  fixture.disconnect();
  await aborted.promise;
  await fixture.served;
  await fixture[Symbol.asyncDispose]();
});

Deno.test("servePortForward() closes the connection when its signal is aborted", async () => {
  const stop = new AbortController();
  await using fixture = await createFixture({
    connect: echo,
    signal: stop.signal,
  });
  fixture.openPair("0", "80");
  stop.abort();
  await fixture.client.until(() => fixture.client.ended);
});

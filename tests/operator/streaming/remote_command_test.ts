// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { ExecIo } from "../../../lib/shared/exec/mod.ts";
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import {
  serveRemoteCommand,
  type ServeRemoteCommandOptions,
} from "../../../lib/operator/streaming/remote_command.ts";
import { makeSocketPair, SpdyClient } from "./_support/spdy_client.ts";

interface Bench extends AsyncDisposable {
  client: SpdyClient;
  /** Ids of the streams by kind. */
  ids: Record<string, number>;
  served: Promise<void>;
  leave(): void;
}

async function makeBench(
  options: Partial<ServeRemoteCommandOptions> & {
    run: ServeRemoteCommandOptions["run"];
  },
  kinds: string[] = ["error", "stdin", "stdout", "stderr"],
): Promise<Bench> {
  const pair = await makeSocketPair();
  const served = serveRemoteCommand(pair.server, {
    protocol: "v4.channel.k8s.io",
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
    ...options,
  });
  const client = new SpdyClient(pair.client);
  const ids = Object.fromEntries(
    kinds.map((streamtype) => [streamtype, client.open({ streamtype })]),
  );
  return {
    client,
    ids,
    served,
    leave: () => void pair.client.destroy(),
    async [Symbol.asyncDispose]() {
      pair.client.end();
      await served;
      await pair[Symbol.asyncDispose]();
    },
  };
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<string> {
  return fromUtf8(concatBytes(await Array.fromAsync(source)));
}

Deno.test("serveRemoteCommand() carries the streams and says Success after all output", async () => {
  await using bench = await makeBench({
    async run(io) {
      await io.stdout(utf8(`got ${await readAll(io.stdin)}`));
      await io.stderr(utf8("warned"));
      return { code: 0 };
    },
  });
  const { client, ids } = bench;
  client.data(ids["stdin"] ?? 0, "input", { fin: true });
  await client.until(() => client.ended);
  assert.equal(client.textOf(ids["stdout"] ?? 0), "got input");
  assert.equal(client.textOf(ids["stderr"] ?? 0), "warned");
  assert.equal(
    JSON.parse(client.textOf(ids["error"] ?? 0)).status,
    "Success",
  );
  assert.ok(Object.values(ids).every((id) => client.hasEnded(id)));
  const order = client.frames.flatMap((frame) =>
    frame.type === "data" && frame.bytes.length > 0 ? [frame.streamId] : []
  );
  assert.deepEqual(order, [ids["stdout"], ids["stderr"], ids["error"]]);
});

Deno.test("serveRemoteCommand() tells the exit code", async () => {
  await using bench = await makeBench({
    run: () => Promise.resolve({ code: 7 }),
  });
  await bench.client.until(() => bench.client.ended);
  const status = JSON.parse(bench.client.textOf(bench.ids["error"] ?? 0));
  assert.equal(status.reason, "NonZeroExitCode");
  assert.equal(status.details.causes[0].message, "7");
});

Deno.test("serveRemoteCommand() tells an error as a Status", async () => {
  await using bench = await makeBench({
    run: () => Promise.reject(new AranyaError("forbidden", "Cannot exec: off")),
  });
  await bench.client.until(() => bench.client.ended);
  const status = JSON.parse(bench.client.textOf(bench.ids["error"] ?? 0));
  assert.deepEqual([status.reason, status.message], [
    "Forbidden",
    "Cannot exec: off",
  ]);
});

for (
  const protocol of [
    "channel.k8s.io",
    "v2.channel.k8s.io",
    "v3.channel.k8s.io",
  ] as const
) {
  Deno.test(`serveRemoteCommand() says failures as plain text in ${protocol}`, async () => {
    await using bench = await makeBench({
      protocol,
      run: () => Promise.resolve({ code: 3 }),
    });
    await bench.client.until(() => bench.client.ended);
    assert.equal(
      bench.client.textOf(bench.ids["error"] ?? 0),
      "command terminated with non-zero exit code: exit status 3",
    );
  });

  Deno.test(`serveRemoteCommand() says nothing about success in ${protocol}`, async () => {
    await using bench = await makeBench({
      protocol,
      run: () => Promise.resolve({ code: 0 }),
    });
    await bench.client.until(() => bench.client.ended);
    assert.equal(bench.client.textOf(bench.ids["error"] ?? 0), "");
    assert.equal(bench.client.hasEnded(bench.ids["error"] ?? 0), true);
  });
}

Deno.test("serveRemoteCommand() gives a terminal's sizes and no stderr", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  await using bench = await makeBench({
    tty: true,
    async run(io) {
      for await (const size of io.resizes) {
        resolve(size);
        break;
      }
      await io.stderr(utf8("dropped"));
      return { code: 0 };
    },
  }, ["error", "stdin", "stdout", "resize"]);
  bench.client.data(bench.ids["resize"] ?? 0, '{"Width":80,"Height":24}\n');
  assert.deepEqual(await promise, { width: 80, height: 24 });
  await bench.client.until(() => bench.client.ended);
});

Deno.test("serveRemoteCommand() refuses streams of unknown kinds and second ones", async () => {
  await using bench = await makeBench({
    run: async ({ stdin }) => {
      await readAll(stdin);
      return { code: 0 };
    },
  }, ["nonsense", "error", "error2", "stdin", "stdout", "stderr"]);
  const { client, ids } = bench;
  const second = client.open({ streamtype: "error" });
  await client.until(() => client.wasReset(second));
  assert.ok(client.wasReset(ids["nonsense"] ?? 0));
  client.data(ids["stdin"] ?? 0, "", { fin: true });
  await client.until(() => client.ended);
});

Deno.test("serveRemoteCommand() gives up when the client does not open its streams", async () => {
  let ran = false;
  await using bench = await makeBench({
    creationTimeoutMs: 20,
    run: () => {
      ran = true;
      return Promise.resolve({ code: 0 });
    },
  }, ["error"]);
  await bench.client.until(() => bench.client.ended);
  assert.equal(ran, false);
});

Deno.test("serveRemoteCommand() aborts the command's signal and its stdin when the client leaves", async () => {
  const started = Promise.withResolvers<ExecIo>();
  const bench = await makeBench({
    run: (io) => {
      started.resolve(io);
      return new Promise(() => {});
    },
  });
  const io = await started.promise;
  const reading = readAll(io.stdin);
  bench.leave();
  await assert.rejects(reading, { code: "cancelled" });
  await bench.served;
  assert.equal(io.signal.aborted, true);
  await assert.rejects(io.stdout(utf8("x")), { code: "cancelled" });
  await bench[Symbol.asyncDispose]();
});

Deno.test("serveRemoteCommand() ends with the signal's reason", async () => {
  const stop = new AbortController();
  const started = Promise.withResolvers<ExecIo>();
  await using bench = await makeBench({
    signal: stop.signal,
    run: (io) => {
      started.resolve(io);
      return new Promise(() => {});
    },
  });
  const io = await started.promise;
  stop.abort(new AranyaError("unavailable", "Cannot go on: it closes"));
  await bench.client.until(() => bench.client.ended);
  const status = JSON.parse(bench.client.textOf(bench.ids["error"] ?? 0));
  assert.equal(status.message, "Cannot go on: it closes");
  assert.equal(io.signal.aborted, true);
});

Deno.test("serveRemoteCommand() has no stdin when the client has none", async () => {
  await using bench = await makeBench({
    stdin: false,
    run: async ({ stdin, stdout }) => {
      await stdout(utf8(`[${await readAll(stdin)}]`));
      return { code: 0 };
    },
  }, ["error", "stdout", "stderr"]);
  await bench.client.until(() => bench.client.ended);
  assert.equal(bench.client.textOf(bench.ids["stdout"] ?? 0), "[]");
});

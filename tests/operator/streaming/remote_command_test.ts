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
import { openSocketPair, SpdyClient } from "./_support/spdy_client.ts";

interface Fixture extends AsyncDisposable {
  client: SpdyClient;
  /** Stream ids by kind. */
  ids: Record<string, number>;
  served: Promise<void>;
  disconnect(): void;
}

async function createFixture(
  options: Partial<ServeRemoteCommandOptions> & {
    run: ServeRemoteCommandOptions["run"];
  },
  kinds: string[] = ["error", "stdin", "stdout", "stderr"],
): Promise<Fixture> {
  const pair = await openSocketPair();
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
    disconnect: () => void pair.client.destroy(),
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

Deno.test("serveRemoteCommand() carries the streams, and sends Success after all output", async () => {
  await using fixture = await createFixture({
    async run(io) {
      await io.stdout(utf8(`got ${await readAll(io.stdin)}`));
      await io.stderr(utf8("warned"));
      return { code: 0 };
    },
  });
  const { client, ids } = fixture;
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

Deno.test("serveRemoteCommand() sends the exit code", async () => {
  await using fixture = await createFixture({
    run: () => Promise.resolve({ code: 7 }),
  });
  await fixture.client.until(() => fixture.client.ended);
  const status = JSON.parse(fixture.client.textOf(fixture.ids["error"] ?? 0));
  assert.equal(status.reason, "NonZeroExitCode");
  assert.equal(status.details.causes[0].message, "7");
});

Deno.test("serveRemoteCommand() sends a Status when the command rejects", async () => {
  await using fixture = await createFixture({
    run: () => Promise.reject(new AranyaError("forbidden", "Cannot exec: off")),
  });
  await fixture.client.until(() => fixture.client.ended);
  const status = JSON.parse(fixture.client.textOf(fixture.ids["error"] ?? 0));
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
  Deno.test(`serveRemoteCommand() sends failures as plain text in ${protocol}`, async () => {
    await using fixture = await createFixture({
      protocol,
      run: () => Promise.resolve({ code: 3 }),
    });
    await fixture.client.until(() => fixture.client.ended);
    assert.equal(
      fixture.client.textOf(fixture.ids["error"] ?? 0),
      "command terminated with non-zero exit code: exit status 3",
    );
  });

  Deno.test(`serveRemoteCommand() sends nothing on success in ${protocol}`, async () => {
    await using fixture = await createFixture({
      protocol,
      run: () => Promise.resolve({ code: 0 }),
    });
    await fixture.client.until(() => fixture.client.ended);
    assert.equal(fixture.client.textOf(fixture.ids["error"] ?? 0), "");
    assert.equal(fixture.client.hasEnded(fixture.ids["error"] ?? 0), true);
  });
}

Deno.test("serveRemoteCommand() passes terminal sizes, and drops stderr, with a terminal", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  await using fixture = await createFixture({
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
  fixture.client.data(fixture.ids["resize"] ?? 0, '{"Width":80,"Height":24}\n');
  assert.deepEqual(await promise, { width: 80, height: 24 });
  await fixture.client.until(() => fixture.client.ended);
});

Deno.test("serveRemoteCommand() refuses streams when their kind is unknown or open already", async () => {
  await using fixture = await createFixture({
    run: async ({ stdin }) => {
      await readAll(stdin);
      return { code: 0 };
    },
  }, ["nonsense", "error", "error2", "stdin", "stdout", "stderr"]);
  const { client, ids } = fixture;
  const second = client.open({ streamtype: "error" });
  await client.until(() => client.wasReset(second));
  assert.ok(client.wasReset(ids["nonsense"] ?? 0));
  client.data(ids["stdin"] ?? 0, "", { fin: true });
  await client.until(() => client.ended);
});

Deno.test("serveRemoteCommand() closes the connection when streams are missing at the time-out", async () => {
  let ran = false;
  await using fixture = await createFixture({
    creationTimeoutMs: 20,
    run: () => {
      ran = true;
      return Promise.resolve({ code: 0 });
    },
  }, ["error"]);
  await fixture.client.until(() => fixture.client.ended);
  assert.equal(ran, false);
});

Deno.test("serveRemoteCommand() aborts the command and its stdin when the client disconnects", async () => {
  const started = Promise.withResolvers<ExecIo>();
  const fixture = await createFixture({
    run: (io) => {
      started.resolve(io);
      return new Promise(() => {});
    },
  });
  const io = await started.promise;
  const reading = readAll(io.stdin);
  fixture.disconnect();
  await assert.rejects(reading, { code: "cancelled" });
  await fixture.served;
  assert.equal(io.signal.aborted, true);
  await assert.rejects(io.stdout(utf8("x")), { code: "cancelled" });
  await fixture[Symbol.asyncDispose]();
});

Deno.test("serveRemoteCommand() sends the signal's reason when it is aborted", async () => {
  const stop = new AbortController();
  const started = Promise.withResolvers<ExecIo>();
  await using fixture = await createFixture({
    signal: stop.signal,
    run: (io) => {
      started.resolve(io);
      return new Promise(() => {});
    },
  });
  const io = await started.promise;
  stop.abort(new AranyaError("unavailable", "Cannot go on: it closes"));
  await fixture.client.until(() => fixture.client.ended);
  const status = JSON.parse(fixture.client.textOf(fixture.ids["error"] ?? 0));
  assert.equal(status.message, "Cannot go on: it closes");
  assert.equal(io.signal.aborted, true);
});

Deno.test("serveRemoteCommand() passes an empty stdin when the client opens none", async () => {
  await using fixture = await createFixture({
    stdin: false,
    run: async ({ stdin, stdout }) => {
      await stdout(utf8(`[${await readAll(stdin)}]`));
      return { code: 0 };
    },
  }, ["error", "stdout", "stderr"]);
  await fixture.client.until(() => fixture.client.ended);
  assert.equal(fixture.client.textOf(fixture.ids["stdout"] ?? 0), "[]");
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import { openLog } from "../../../lib/operator/proxy/logs.ts";
import type { SessionHandlers } from "../../../lib/shared/session/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import { gather } from "../../shared/session/_support/pair.ts";
import { makeStreamRig } from "./_support/stream_rig.ts";

const OPTIONS = { action: "Cannot read log", quietMs: 20 };

async function open(serve: SessionHandlers["stream"]) {
  const bench = await makeStreamRig({ stream: serve });
  const stream = bench.operator.open(Method.LOGS, new Uint8Array());
  return { bench, stream };
}

Deno.test("openLog() returns an empty log", async () => {
  const { bench, stream } = await open(
    (_method, _payload, stream) => stream.finish(new Uint8Array()),
  );
  await using _closing = bench;
  const log = await openLog(stream, OPTIONS);
  assert.equal((await gather(log)).length, 0);
});

Deno.test("openLog() rejects when there is no log", async () => {
  const { bench, stream } = await open(() =>
    Promise.reject(new AranyaError("forbidden", "host.logs is off"))
  );
  await using _closing = bench;
  await assert.rejects(openLog(stream, OPTIONS), {
    code: "forbidden",
    message: "host.logs is off",
  });
});

Deno.test("openLog() resolves for a log without a line yet", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    await promise;
    await stream.write(1, utf8("later\n"));
    await stream.finish(new Uint8Array());
  });
  await using _closing = bench;
  const log = await openLog(stream, OPTIONS);
  resolve();
  assert.equal(fromUtf8(await gather(log)), "later\n");
});

Deno.test("openLog() throws at the end of a log whose stream was reset", async () => {
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    await stream.write(1, utf8("first\n"));
    throw new AranyaError("unavailable", "Cannot go on: disk is gone");
  });
  await using _closing = bench;
  await assert.rejects(
    (async () => await gather(await openLog(stream, OPTIONS)))(),
    { code: "unavailable", message: "Cannot go on: disk is gone" },
  );
});

Deno.test("openLog() resets the stream when its reader stops early", async () => {
  const ended = Promise.withResolvers<void>();
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    stream.signal.addEventListener("abort", () => ended.resolve());
    for (;;) await stream.write(1, new Uint8Array(10_000));
  });
  await using _closing = bench;
  for await (const _chunk of await openLog(stream, OPTIONS)) break;
  await ended.promise;
});

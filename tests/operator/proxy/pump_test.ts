// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  EMPTY_STREAM,
  fromUtf8,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import type { ConnectionIo } from "../../../lib/shared/exec/mod.ts";
import {
  pumpCommand,
  pumpConnection,
} from "../../../lib/operator/proxy/pump.ts";
import type {
  SessionHandlers,
  Stream,
} from "../../../lib/shared/session/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import { gather } from "../../shared/session/_support/pair.ts";
import { makeClient, makeStreamRig } from "./_support/stream_rig.ts";

const OPTIONS = { stdin: true, tty: false, action: "Cannot exec" };

async function open(serve: SessionHandlers["stream"]) {
  const bench = await makeStreamRig({ stream: serve });
  const stream = bench.operator.open(Method.EXEC, new Uint8Array());
  return { bench, stream };
}

function ended(stream: Stream): Promise<void> {
  return new Promise((resolve) =>
    stream.signal.addEventListener("abort", () => resolve())
  );
}

Deno.test("pumpCommand() returns the result after the client has taken all output", async () => {
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    for (let count = 0; count < 50; count++) {
      await stream.write(1, new Uint8Array(20_000));
    }
    await stream.finish(utf8("end"));
  });
  await using _closing = bench;
  let taken = 0;
  const { io } = makeClient();
  io.stdout = async (chunk) => {
    await new Promise((resolve) => setTimeout(resolve));
    taken += chunk.length;
  };
  const last = await pumpCommand(stream, { ...OPTIONS, io });
  assert.deepEqual([fromUtf8(last), taken], ["end", 1_000_000]);
});

Deno.test("pumpCommand() ends when the command does, though the client still sends", async () => {
  const { bench, stream } = await open((_method, _payload, stream) =>
    stream.finish(utf8("end"))
  );
  await using _closing = bench;
  const { io } = makeClient();
  io.stdin = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
  };
  const last = await pumpCommand(stream, { ...OPTIONS, io });
  assert.equal(fromUtf8(last), "end");
});

Deno.test("pumpCommand() closes stdin at once when the client sends none", async () => {
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    await stream.finish(await gather(stream.read(0)));
  });
  await using _closing = bench;
  const { io } = makeClient({ stdin: ["not sent"] });
  const last = await pumpCommand(stream, { ...OPTIONS, stdin: false, io });
  assert.equal(last.length, 0);
});

Deno.test("pumpCommand() resets the stream when the client accepts no more output", async () => {
  const over = Promise.withResolvers<void>();
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    void ended(stream).then(over.resolve);
    for (;;) await stream.write(1, new Uint8Array(10_000));
  });
  await using _closing = bench;
  const { io } = makeClient();
  io.stdout = () =>
    Promise.reject(new AranyaError("cancelled", "the client has left"));
  await assert.rejects(pumpCommand(stream, { ...OPTIONS, io }), {
    code: "cancelled",
  });
  await over.promise;
});

Deno.test("pumpCommand() resets the stream when the client's input fails", async () => {
  const over = Promise.withResolvers<void>();
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    await ended(stream);
    over.resolve();
  });
  await using _closing = bench;
  const { io } = makeClient();
  io.stdin = (async function* () {
    yield utf8("some");
    throw new AranyaError("cancelled", "the client has left");
  })();
  await assert.rejects(pumpCommand(stream, { ...OPTIONS, io }), {
    code: "cancelled",
  });
  await over.promise;
});

Deno.test("pumpConnection() continues with output after the client's half-close", async () => {
  const { bench, stream } = await open(async (_method, _payload, stream) => {
    const input = await gather(stream.read(0));
    await stream.write(1, utf8(`after ${fromUtf8(input)}`));
    await stream.finish(new Uint8Array());
  });
  await using _closing = bench;
  let out = "";
  await pumpConnection(stream, {
    action: "Cannot forward",
    io: {
      input: makeClient({ stdin: ["eof"] }).io.stdin,
      output: (chunk) => Promise.resolve(void (out += fromUtf8(chunk))),
      endOutput: () => Promise.resolve(void (out += "|")),
      signal: new AbortController().signal,
    },
  });
  assert.equal(out, "after eof|");
});

Deno.test("pumpConnection() throws the device's error", async () => {
  const { bench, stream } = await open(() =>
    Promise.reject(new AranyaError("unavailable", "connection refused"))
  );
  await using _closing = bench;
  const io: ConnectionIo = {
    input: EMPTY_STREAM,
    output: () => Promise.resolve(),
    endOutput: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  const options = { action: "Cannot forward", io };
  await assert.rejects(pumpConnection(stream, options), {
    message: "connection refused",
  });
});

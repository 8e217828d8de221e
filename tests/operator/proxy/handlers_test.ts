// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Session, Stream } from "../../../lib/shared/session/mod.ts";
import { createStreamHandlers } from "../../../lib/operator/proxy/mod.ts";
import {
  AttachSchema,
  create,
  decodeMessage,
  encodeMessage,
  ExecSchema,
  ExitStatusSchema,
  LogsSchema,
  Method,
  PortForwardSchema,
  ResizeSchema,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { gather } from "../../shared/session/_support/pair.ts";
import {
  makeClient,
  makeExec,
  makeStreamBench,
  TARGET,
} from "./_support/stream_rig.ts";

function exitStatus(code: number, reason = "", message = ""): Uint8Array {
  const status = create(ExitStatusSchema, { code, reason, message });
  return encodeMessage(ExitStatusSchema, status);
}

/** Answers stdin on stdout, says something on stderr, exits with 3. */
async function serveCat(stream: Stream): Promise<void> {
  const input = await gather(stream.read(0));
  await stream.write(1, utf8(`got ${fromUtf8(input)}`));
  await stream.write(2, utf8("warned"));
  await stream.finish(exitStatus(3));
}

Deno.test("exec() carries the call, its streams and its end", async () => {
  let asked: unknown;
  await using bench = await makeStreamBench({
    stream: async (method, payload, stream) => {
      asked = { method, call: decodeMessage(ExecSchema, payload) };
      await serveCat(stream);
    },
  });
  const client = makeClient({ stdin: ["in", "put"] });
  const end = await bench.handlers.exec(makeExec(client));
  assert.deepEqual(end, { code: 3 });
  assert.deepEqual([client.out, client.err], ["got input", "warned"]);
  assert.deepEqual(asked, {
    method: Method.EXEC,
    call: create(ExecSchema, {
      target: {
        $typeName: "aranya.v1.Target",
        podUid: "u-1",
        container: "app",
        pod: "default/web",
      },
      command: ["cat"],
      stdin: true,
      stdout: true,
      stderr: true,
    }),
  });
});

Deno.test("attach() is its own method", async () => {
  const methods: Method[] = [];
  await using bench = await makeStreamBench({
    stream: async (method, payload, stream) => {
      methods.push(method);
      assert.equal(decodeMessage(AttachSchema, payload).tty, false);
      await serveCat(stream);
    },
  });
  const { command: _, ...call } = makeExec(makeClient());
  assert.equal((await bench.handlers.attach(call)).code, 3);
  assert.deepEqual(methods, [Method.ATTACH]);
});

Deno.test("exec() sends a terminal's sizes and why a command did not run", async () => {
  await using bench = await makeStreamBench({
    stream: async (_method, _payload, stream) => {
      for await (const chunk of stream.read(4)) {
        const { width, height } = decodeMessage(ResizeSchema, chunk);
        await stream.finish(
          exitStatus(127, "StartError", `${width}x${height}`),
        );
        return;
      }
    },
  });
  const client = makeClient({ sizes: [{ width: 80, height: 24 }] });
  const end = await bench.handlers.exec(makeExec(client, { tty: true }));
  assert.deepEqual(end, { code: 127, reason: "StartError", message: "80x24" });
});

Deno.test("exec() throws the device's own error", async () => {
  await using bench = await makeStreamBench({
    stream: () =>
      Promise.reject(new AranyaError("forbidden", "host.exec is off")),
  });
  await assert.rejects(bench.handlers.exec(makeExec(makeClient())), {
    code: "forbidden",
    message: "host.exec is off",
  });
});

Deno.test("exec() ends the device's stream when the client leaves", async () => {
  const ended = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  await using bench = await makeStreamBench({
    stream: async (_method, _payload, stream) => {
      started.resolve();
      await new Promise<void>((resolve) =>
        stream.signal.addEventListener("abort", () => resolve())
      );
      ended.resolve();
    },
  });
  const client = makeClient();
  const running = bench.handlers.exec(makeExec(client));
  running.catch(() => {});
  await started.promise;
  client.leave();
  await ended.promise;
  await assert.rejects(running);
});

Deno.test("logs() asks with the options and gives the bytes", async () => {
  let asked: unknown;
  await using bench = await makeStreamBench({
    stream: async (method, payload, stream) => {
      asked = { method, call: decodeMessage(LogsSchema, payload) };
      await stream.write(1, utf8("a line\n"));
      await stream.finish(new Uint8Array());
    },
  });
  const log = await bench.handlers.logs({
    target: TARGET,
    follow: true,
    previous: false,
    timestamps: true,
    tailLines: 5,
    sinceTime: "2026-01-01T00:00:00Z",
    signal: new AbortController().signal,
  });
  assert.equal(fromUtf8(await gather(log)), "a line\n");
  assert.deepEqual(asked, {
    method: Method.LOGS,
    call: create(LogsSchema, {
      target: {
        $typeName: "aranya.v1.Target",
        podUid: "u-1",
        container: "app",
        pod: "default/web",
      },
      follow: true,
      timestamps: true,
      tailLines: 5n,
      sinceTime: "2026-01-01T00:00:00Z",
    }),
  });
});

const WAITING = { reason: "ImagePullBackOff", message: "no such image" };

for (
  const [found, previous, message] of [
    [
      { hasPrevious: false },
      true,
      'previous terminated container "app" in pod "web" not found',
    ],
    [
      { waiting: WAITING },
      false,
      'container "app" in pod "web" is waiting to start: trying and failing to pull image',
    ],
    [
      { waiting: { ...WAITING, reason: "ContainerCreating" } },
      false,
      'container "app" in pod "web" is waiting to start: ContainerCreating',
    ],
  ] as const
) {
  Deno.test(`logs() says: ${message}`, async () => {
    await using bench = await makeStreamBench({}, {
      findTarget: () => ({ podUid: "u-1", container: "app", ...found }),
    });
    const { signal } = new AbortController();
    const call = {
      target: TARGET,
      follow: false,
      previous,
      timestamps: false,
      signal,
    };
    await assert.rejects(bench.handlers.logs(call), {
      code: "invalid",
      message,
    });
  });
}

Deno.test("portForward() carries one connection with its half-closes", async () => {
  await using bench = await makeStreamBench({
    stream: async (method, payload, stream) => {
      assert.equal(method, Method.PORT_FORWARD);
      const { port } = decodeMessage(PortForwardSchema, payload);
      const input = await gather(stream.read(0));
      await stream.write(1, utf8(`${port} ${fromUtf8(input)}`));
      await stream.end(1);
      await stream.finish(new Uint8Array());
    },
  });
  let out = "";
  await bench.handlers.portForward({
    target: { ...TARGET, container: "" },
    port: 8080,
    input: makeClient({ stdin: ["ping"] }).io.stdin,
    output: (chunk) => Promise.resolve(void (out += fromUtf8(chunk))),
    endOutput: () => Promise.resolve(void (out += " end")),
    signal: new AbortController().signal,
  });
  assert.equal(out, "8080 ping end");
});

Deno.test("check() throws what is not found and what does not run", async () => {
  let found: { running?: boolean } | undefined;
  await using bench = await makeStreamBench({}, {
    findTarget: () => {
      if (!found) throw new AranyaError("not_found", "Cannot find pod");
      return { podUid: "u-1", container: "app", ...found };
    },
  });
  const check = () => bench.handlers.check(TARGET, "exec");
  await assert.rejects(check(), { code: "not_found" });
  found = { running: false };
  await assert.rejects(check(), {
    code: "not_found",
    message:
      'Cannot exec in container "app" of pod "default/web": it does not run',
  });
  await bench.handlers.check(TARGET, "logs");
  found = {};
  await check();
});

Deno.test("check() says since when a device is offline", async () => {
  const sinceMs = Date.UTC(2026, 0, 2, 12, 3, 11);
  const bench = await makeStreamBench({}, {
    offlineSinceMs: () => sinceMs,
    clock: {
      monotonicMs: () => 0,
      wallMs: () => sinceMs + 60_000,
      sleep: () => Promise.resolve(),
    },
  });
  await bench[Symbol.asyncDispose]();
  await assert.rejects(bench.handlers.check(TARGET, "exec"), {
    code: "unavailable",
    message:
      'Cannot exec in container "app" of pod "default/web": device "edge-1" has been offline since 12:03:11Z',
  });
  await assert.rejects(
    bench.handlers.stats(new AbortController().signal),
    { code: "unavailable", message: /^Cannot read statistics of node/ },
  );
});

Deno.test("check() waits a little for a device whose link has just gone", async () => {
  let nowMs = 0;
  let backAtMs = 2_000;
  let isRecent = true;
  const handlers = createStreamHandlers({
    device: "edge-1",
    session: {
      get connected() {
        return nowMs >= backAtMs;
      },
    } as Session,
    offlineSinceMs: () => 0,
    mayReturn: () => isRecent,
    findTarget: () => ({ podUid: "", container: "host" }),
    listPods: () => ({}),
    nameOfPod: () => undefined,
    clock: {
      monotonicMs: () => nowMs,
      wallMs: () => nowMs,
      sleep: (ms) => Promise.resolve(void (nowMs += ms)),
    },
  });
  await handlers.check(TARGET, "exec");
  assert.equal(nowMs, 2_000);
  backAtMs = Infinity;
  await assert.rejects(handlers.check(TARGET, "exec"), { code: "unavailable" });
  assert.equal(nowMs, 7_000);
  isRecent = false;
  await assert.rejects(handlers.check(TARGET, "exec"), { code: "unavailable" });
  assert.equal(nowMs, 7_000);
});

Deno.test("stats() turns the device's figures into a summary", async () => {
  await using bench = await makeStreamBench({
    request: (method) => {
      assert.equal(method, Method.GET_STATS);
      const stats = create(StatsSchema, { memoryWorkingSetBytes: 4096n });
      return Promise.resolve(encodeMessage(StatsSchema, stats));
    },
  });
  const { node } = await bench.handlers.stats(new AbortController().signal);
  assert.equal(node.nodeName, "edge-1");
  assert.equal(node.memory?.workingSetBytes, 4096);
});

Deno.test("exec() and stats() reject with invalid when the device's answer has broken bytes", async () => {
  const broken = Uint8Array.of(0x0a, 0x50, 1);
  await using bench = await makeStreamBench({
    request: () => Promise.resolve(broken),
    stream: (_method, _payload, stream) => stream.finish(broken),
  });
  await assert.rejects(bench.handlers.exec(makeExec(makeClient())), {
    code: "invalid",
  });
  await assert.rejects(bench.handlers.stats(new AbortController().signal), {
    code: "invalid",
  });
});

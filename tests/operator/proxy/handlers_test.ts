// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Stream } from "../../../lib/shared/session/mod.ts";
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
import type { Pod } from "../../../lib/operator/kube/mod.ts";
import type { PodList } from "../../../lib/operator/pods/mod.ts";
import { gather } from "../../shared/session/_support/pair.ts";
import {
  makeClient,
  makeDirectory,
  makeExec,
  makeStreamRig,
  TARGET,
} from "./_support/stream_rig.ts";

function exitStatus(code: number, reason = "", message = ""): Uint8Array {
  return encodeMessage(ExitStatusSchema, { code, reason, message });
}

/** Answers stdin on stdout, writes to stderr, exits with 3. */
async function serveCat(stream: Stream): Promise<void> {
  const input = await gather(stream.read(0));
  await stream.write(1, utf8(`got ${fromUtf8(input)}`));
  await stream.write(2, utf8("warned"));
  await stream.finish(exitStatus(3));
}

Deno.test("DeviceHandlers.exec() sends the request, carries its streams and returns the exit status", async () => {
  let asked: unknown;
  await using bench = await makeStreamRig({
    stream: async (method, payload, stream) => {
      asked = { method, call: decodeMessage(ExecSchema, payload) };
      await serveCat(stream);
    },
  });
  const client = makeClient({ stdin: ["in", "put"] });
  const end = await (await bench.handlers.exec(makeExec()))(client.io);
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

Deno.test("DeviceHandlers.attach() uses its own wire method", async () => {
  const methods: Method[] = [];
  await using bench = await makeStreamRig({
    stream: async (method, payload, stream) => {
      methods.push(method);
      assert.equal(decodeMessage(AttachSchema, payload).tty, false);
      await serveCat(stream);
    },
  });
  const { command: _, ...request } = makeExec();
  const run = await bench.handlers.attach(request);
  assert.equal((await run(makeClient().io)).code, 3);
  assert.deepEqual(methods, [Method.ATTACH]);
});

Deno.test("DeviceHandlers.exec() sends terminal sizes and returns why a command did not run", async () => {
  await using bench = await makeStreamRig({
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
  const run = await bench.handlers.exec(makeExec({ tty: true }));
  const end = await run(client.io);
  assert.deepEqual(end, { code: 127, reason: "StartError", message: "80x24" });
});

Deno.test("DeviceHandlers.exec() throws the device's error", async () => {
  await using bench = await makeStreamRig({
    stream: () =>
      Promise.reject(new AranyaError("forbidden", "host.exec is off")),
  });
  const run = await bench.handlers.exec(makeExec());
  await assert.rejects(run(makeClient().io), {
    code: "forbidden",
    message: "host.exec is off",
  });
});

Deno.test("DeviceHandlers.exec() ends the device's stream when the client leaves", async () => {
  const ended = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  await using bench = await makeStreamRig({
    stream: async (_method, _payload, stream) => {
      started.resolve();
      await new Promise<void>((resolve) =>
        stream.signal.addEventListener("abort", () => resolve())
      );
      ended.resolve();
    },
  });
  const client = makeClient();
  const run = await bench.handlers.exec(makeExec());
  const running = run(client.io);
  running.catch(() => {});
  await started.promise;
  client.leave();
  await ended.promise;
  await assert.rejects(running);
});

Deno.test("DeviceHandlers.logs() sends the options and returns the log's bytes", async () => {
  let asked: unknown;
  await using bench = await makeStreamRig({
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
  }, new AbortController().signal);
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

Deno.test("DeviceHandlers.portForward() carries one connection with its half-closes", async () => {
  await using bench = await makeStreamRig({
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
  const forward = await bench.handlers.portForward({
    ...TARGET,
    container: "",
  });
  await forward({
    port: 8080,
    input: makeClient({ stdin: ["ping"] }).io.stdin,
    output: (chunk) => Promise.resolve(void (out += fromUtf8(chunk))),
    endOutput: () => Promise.resolve(void (out += " end")),
    signal: new AbortController().signal,
  });
  assert.equal(out, "8080 ping end");
});

Deno.test("DeviceHandlers.exec() locates its container once, before the command runs", async () => {
  const directory = makeDirectory();
  let lookups = 0;
  await using bench = await makeStreamRig({
    stream: (_method, _payload, stream) => stream.finish(exitStatus(0)),
  }, {
    pods: {
      ...directory,
      findContainer: (target) => {
        lookups++;
        return directory.findContainer(target);
      },
    },
  });
  const run = await bench.handlers.exec(makeExec());
  assert.equal(lookups, 1);
  assert.deepEqual(await run(makeClient().io), { code: 0 });
  assert.equal(lookups, 1);
});

Deno.test("DeviceHandlers.exec() throws before anything runs when the container is not found", async () => {
  await using bench = await makeStreamRig({}, {
    pods: {
      ...makeDirectory(),
      findContainer: () => {
        throw new AranyaError("not_found", "Cannot find pod");
      },
    },
  });
  await assert.rejects(bench.handlers.exec(makeExec()), { code: "not_found" });
});

Deno.test("DeviceHandlers.exec() refuses to run once the device is offline", async () => {
  const bench = await makeStreamRig({});
  const run = await bench.handlers.exec(makeExec());
  await bench[Symbol.asyncDispose]();
  await assert.rejects(run(makeClient().io), {
    code: "unavailable",
    message:
      'Cannot exec in container "app" of pod "default/web": device "edge-1" is not connected',
  });
});

Deno.test("DeviceHandlers.portForward() refuses a connection once the device is offline", async () => {
  const bench = await makeStreamRig({});
  const forward = await bench.handlers.portForward(TARGET);
  await bench[Symbol.asyncDispose]();
  const connection = {
    port: 80,
    input: makeClient().io.stdin,
    output: () => Promise.resolve(),
    endOutput: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  await assert.rejects(forward(connection), {
    code: "unavailable",
    message:
      'Cannot forward ports of pod "default/web": device "edge-1" is not connected',
  });
  await assert.rejects(
    bench.handlers.stats(new AbortController().signal),
    { code: "unavailable", message: /^Cannot read statistics of node/ },
  );
});

Deno.test("DeviceHandlers.pods() returns the directory's list", async () => {
  await using bench = await makeStreamRig({}, {
    pods: {
      ...makeDirectory(),
      list: ({ running }) => ({
        kind: "PodList",
        apiVersion: "v1",
        metadata: {},
        items: running ? [] : [{ metadata: { name: "web" } } as Pod],
      }),
    },
  });
  const all = await bench.handlers.pods({ running: false }) as PodList;
  assert.deepEqual(all.items.map(({ metadata }) => metadata.name), ["web"]);
  const running = await bench.handlers.pods({ running: true }) as PodList;
  assert.deepEqual(running.items, []);
});

Deno.test("DeviceHandlers.stats() returns the device's statistics as a summary", async () => {
  await using bench = await makeStreamRig({
    request: (method) => {
      assert.equal(method, Method.GET_STATS);
      const stats = { memoryWorkingSetBytes: 4096n };
      return Promise.resolve(encodeMessage(StatsSchema, stats));
    },
  });
  const { node } = await bench.handlers.stats(new AbortController().signal);
  assert.equal(node.nodeName, "edge-1");
  assert.equal(node.memory?.workingSetBytes, 4096);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { SYSTEM_CLOCK, utf8 } from "../../../lib/shared/base/mod.ts";
import { create, HandlerSchema } from "../../../lib/shared/wire/mod.ts";
import {
  type HandlerResult,
  runHandler,
} from "../../../lib/agent/pods/lifecycle_handler.ts";
import { FakeEngine } from "./_support/fake_engine.ts";

type Action = MessageInitShape<typeof HandlerSchema>["action"];

function run(
  action: Action,
  options: { engine?: FakeEngine; timeoutMs?: number } = {},
): Promise<HandlerResult> {
  return runHandler(create(HandlerSchema, { ...(action && { action }) }), {
    target: { containerId: "c1", podUid: "u1", podIp: "127.0.0.1" },
    streams: options.engine ?? new FakeEngine(SYSTEM_CLOCK),
    clock: SYSTEM_CLOCK,
    signal: AbortSignal.timeout(options.timeoutMs ?? 5_000),
  });
}

/** Serves one answer to whoever connects, and gives what was asked. */
async function withServer(
  answer: string,
  work: (port: number) => Promise<HandlerResult>,
): Promise<{ result: HandlerResult; asked: string }> {
  let asked = "";
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      asked += chunk.toString();
      if (asked.endsWith("\r\n\r\n")) socket.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  try {
    return { result: await work(address.port), asked };
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

for (
  const [line, ok] of [
    ["HTTP/1.1 200 OK", true],
    ["HTTP/1.0 204 No Content", true],
    ["HTTP/1.1 302 Found", true],
    ["HTTP/1.1 399 x", true],
    ["HTTP/1.1 400 x", false],
    ["HTTP/1.1 503 x", false],
  ] as const
) {
  Deno.test(`runHandler() ${ok ? "is content with" : "does not accept"} "${line}"`, async () => {
    const { result } = await withServer(
      `${line}\r\n\r\n`,
      (port) => run({ case: "http", value: { port, path: "/healthz" } }),
    );
    assert.equal(result.ok, ok);
  });
}

Deno.test("runHandler() asks for the path, with the headers given", async () => {
  const { asked } = await withServer(
    "HTTP/1.1 200 OK\r\n\r\n",
    (port) =>
      run({
        case: "http",
        value: {
          port,
          path: "/a?b=c",
          headers: [{ name: "Host", value: "web" }, {
            name: "X",
            value: "1\r\nY: 2",
          }],
        },
      }),
  );
  assert.match(
    asked,
    /^GET \/a\?b=c HTTP\/1\.1\r\nHost: web\r\nX: 1 {2}Y: 2\r\n/,
  );
  assert.equal(asked.match(/Host:/g)?.length, 1);
});

Deno.test("runHandler() says when the answer is none", async () => {
  const { result } = await withServer(
    "garbage",
    (port) => run({ case: "http", value: { port } }),
  );
  assert.deepEqual(result, {
    ok: false,
    message: "Cannot read HTTP answer: it is none",
  });
});

Deno.test("runHandler() finds an open port, and not a closed one", async () => {
  let open = 0;
  const { result } = await withServer("", (port) => {
    open = port;
    return run({ case: "tcp", value: { port } });
  });
  assert.deepEqual(result, { ok: true });
  assert.equal((await run({ case: "tcp", value: { port: open } })).ok, false);
});

Deno.test("runHandler() gives the output of a command that failed", async () => {
  const engine = new FakeEngine(SYSTEM_CLOCK);
  engine.exec = async (_request, { stdout, stderr }) => {
    await stdout(utf8("not "));
    await stderr(utf8("ready\n"));
    return { code: 3 };
  };
  const action: Action = { case: "exec", value: { command: ["check"] } };
  assert.deepEqual(await run(action, { engine }), {
    ok: false,
    message: "not ready",
  });
  engine.exec = () => Promise.resolve({ code: 0 });
  assert.deepEqual(await run(action, { engine }), { ok: true });
});

Deno.test("runHandler() does not wait for a command longer than its signal", async () => {
  const engine = new FakeEngine(SYSTEM_CLOCK);
  const ended = Promise.withResolvers<{ code: number }>();
  engine.exec = () => ended.promise;
  await assert.rejects(
    run({ case: "exec", value: { command: ["hang"] } }, {
      engine,
      timeoutMs: 20,
    }),
    { name: "TimeoutError" },
  );
  ended.resolve({ code: 0 });
});

Deno.test("runHandler() sleeps", async () => {
  const startedMs = performance.now();
  assert.deepEqual(await run({ case: "sleepSeconds", value: 1n }), {
    ok: true,
  });
  assert.ok(performance.now() - startedMs >= 990);
});

Deno.test("runHandler() refuses what it does not know", async () => {
  assert.equal((await run(undefined)).ok, false);
});

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
  options: {
    engine?: FakeEngine;
    timeoutMs?: number;
    purpose?: "probe" | "hook";
    podIp?: "loopback" | "none";
    mayNameHosts?: boolean;
  } = {},
): Promise<HandlerResult> {
  return runHandler(create(HandlerSchema, { ...(action && { action }) }), {
    purpose: options.purpose ?? "probe",
    target: {
      container: { kind: "container", containerId: "c1", podUid: "u1" },
      podIp: options.podIp === "none" ? undefined : "127.0.0.1",
      mayNameHosts: options.mayNameHosts ?? true,
    },
    streams: options.engine ?? new FakeEngine(SYSTEM_CLOCK),
    clock: SYSTEM_CLOCK,
    signal: AbortSignal.timeout(options.timeoutMs ?? 30_000),
  });
}

/** Sends one response to every request, and returns what was requested. */
async function withServer(
  response: string,
  work: (port: number) => Promise<HandlerResult>,
): Promise<{ result: HandlerResult; requested: string }> {
  let requested = "";
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      // A request over TLS gets an answer that is not.
      if (text.startsWith("\x16")) return socket.end("HTTP/1.1 400 x\r\n\r\n");
      requested += text;
      if (requested.endsWith("\r\n\r\n")) socket.end(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  try {
    return { result: await work(address.port), requested };
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

for (
  const [statusLine, ok] of [
    ["HTTP/1.1 200 OK", true],
    ["HTTP/1.0 204 No Content", true],
    ["HTTP/1.1 302 Found", true],
    ["HTTP/1.1 399 x", true],
    ["HTTP/1.1 400 x", false],
    ["HTTP/1.1 503 x", false],
  ] as const
) {
  Deno.test(`runHandler() ${ok ? "succeeds" : "fails"} when the response is "${statusLine}"`, async () => {
    const { result } = await withServer(
      `${statusLine}\r\n\r\n`,
      (port) => run({ case: "http", value: { port, path: "/healthz" } }),
    );
    assert.equal(result.ok, ok);
  });
}

Deno.test("runHandler() warns when a probe ends at a redirect to another host", async () => {
  const { result } = await withServer(
    "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.7/\r\n\r\n",
    (port) => run({ case: "http", value: { port } }),
  );
  assert.deepEqual(result, {
    ok: true,
    warning: "Probe terminated redirects, status: 302",
  });
});

for (const statusLine of ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]) {
  Deno.test(`runHandler() succeeds for a hook when the response is "${statusLine}"`, async () => {
    const { result, requested } = await withServer(
      `${statusLine}\r\n\r\n`,
      (port) => run({ case: "http", value: { port } }, { purpose: "hook" }),
    );
    assert.deepEqual(result, { ok: true });
    assert.match(requested, /^User-Agent: kube-lifecycle\/1\.34\r$/m);
  });
}

Deno.test("runHandler() repeats the HTTPS request of a hook without TLS, with a warning", async () => {
  const { result } = await withServer(
    "HTTP/1.1 200 OK\r\n\r\n",
    (port) =>
      run({ case: "http", value: { scheme: "HTTPS", port } }, {
        purpose: "hook",
      }),
  );
  assert.ok(result.ok);
  assert.match(
    result.warning ?? "",
    /^request to HTTPS lifecycle hook 127\.0\.0\.1:\d+ got HTTP response, retry with HTTP succeeded$/,
  );
});

Deno.test("runHandler() fails when the response is not HTTP", async () => {
  const { result } = await withServer(
    "garbage",
    (port) => run({ case: "http", value: { port } }),
  );
  assert.deepEqual(result, {
    ok: false,
    message: "Cannot read HTTP response: not HTTP",
  });
});

Deno.test("runHandler() succeeds when the TCP port is open, and fails when it is closed", async () => {
  let usedPort = 0;
  const { result } = await withServer("", (port) => {
    usedPort = port;
    return run({ case: "tcp", value: { port } });
  });
  assert.deepEqual(result, { ok: true });
  const closed = await run({ case: "tcp", value: { port: usedPort } });
  assert.equal(closed.ok, false);
});

Deno.test("runHandler() returns the output when the command failed", async () => {
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

Deno.test("runHandler() rejects at once when its signal is aborted while a command hangs", async () => {
  const engine = new FakeEngine(SYSTEM_CLOCK);
  const exit = Promise.withResolvers<{ code: number }>();
  let killWhenLeft: boolean | undefined;
  engine.exec = (request) => {
    killWhenLeft = request.killWhenLeft;
    return exit.promise;
  };
  await assert.rejects(
    run({ case: "exec", value: { command: ["hang"] } }, {
      engine,
      timeoutMs: 20,
    }),
    { name: "TimeoutError" },
  );
  exit.resolve({ code: 0 });
  // The engine would leave the command running.
  assert.equal(killWhenLeft, true);
});

Deno.test("runHandler() succeeds after the sleep of its handler", async () => {
  const startedMs = performance.now();
  assert.deepEqual(await run({ case: "sleepSeconds", value: 1n }), {
    ok: true,
  });
  assert.ok(performance.now() - startedMs >= 990);
});

Deno.test("runHandler() fails when it does not know the kind of handler", async () => {
  assert.deepEqual(await run(undefined), {
    ok: false,
    message: "unsupported kind of handler",
  });
});

for (
  const toAction of [
    (host: string, port: number): Action => ({
      case: "tcp",
      value: { host, port },
    }),
    (host: string, port: number): Action => ({
      case: "http",
      value: { scheme: "HTTP", host, port, path: "/" },
    }),
  ]
) {
  const kind = toAction("", 0)?.case;

  Deno.test(`runHandler() connects ${kind} handlers to no host but the pod when hosts are turned off`, async () => {
    const { result } = await withServer(
      "HTTP/1.1 200 OK\r\n\r\n",
      async (port) => {
        const refused = await run(toAction("127.0.0.1", port), {
          mayNameHosts: false,
        });
        assert.deepEqual(refused, {
          ok: false,
          message:
            'Cannot connect to host "127.0.0.1": turned off by the device\'s owner (pods.hostNamespaces: false in agent.yaml)',
        });
        assert.deepEqual(await run(toAction("127.0.0.1", port)), { ok: true });
        return await run(toAction("", port), { mayNameHosts: false });
      },
    );
    assert.deepEqual(result, { ok: true });
  });

  Deno.test(`runHandler() connects ${kind} handlers of a pod without an address to nothing`, async () => {
    const { result, requested } = await withServer(
      "HTTP/1.1 200 OK\r\n\r\n",
      (port) => run(toAction("", port), { podIp: "none" }),
    );
    assert.deepEqual(result, {
      ok: false,
      message: "Cannot connect to the pod: it has no address yet",
    });
    assert.equal(requested, "");
  });
}

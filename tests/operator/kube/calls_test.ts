// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { NO_METER, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { ApiCaller } from "../../../lib/operator/kube/calls.ts";
import { createTransport } from "../../../lib/operator/kube/transport.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";
import { withTransport } from "./_support/transport.ts";

function withCaller(
  work: (server: ScriptedServer, caller: ApiCaller) => Promise<void>,
): Promise<void> {
  return withTransport((server, transport) => {
    const options = { log: SILENT_LOGGER, meter: NO_METER };
    return work(server, new ApiCaller(transport, options));
  });
}

const GET = { method: "GET" as const, path: "/x", action: "get x" };

Deno.test("ApiCaller.send() retries when the server is overloaded", async () => {
  await withCaller(async (server, caller) => {
    server.script = (_request, response, count) => {
      if (count > 2) return void response.end('{"a":1}');
      response.writeHead(429, { "retry-after": "0" }).end("slow down");
    };
    assert.deepEqual(await caller.send(GET), { a: 1 });
    assert.equal(server.requests, 3);
  });
});

Deno.test("ApiCaller.send() does not retry an error without Retry-After", async () => {
  await withCaller(async (server, caller) => {
    server.script = (_request, response) =>
      response.writeHead(500).end('{"message":"broken"}');
    await assert.rejects(caller.send(GET), {
      code: "unavailable",
      message: "Cannot get x: broken",
    });
    assert.equal(server.requests, 1);
  });
});

Deno.test("ApiCaller.send() rejects at its deadline and when it is cancelled", async () => {
  await withCaller(async (server, caller) => {
    server.script = () => {};
    await assert.rejects(caller.send({ ...GET, timeoutMs: 200 }), {
      code: "timed_out",
      message: "Cannot get x: no answer after 200 ms",
    });
    await assert.rejects(
      caller.send({ ...GET, signal: AbortSignal.timeout(100) }),
      { code: "timed_out" },
    );
  });
});

Deno.test("ApiCaller.send() rejects as unavailable when the reply is incomplete", async () => {
  await withCaller(async (server, caller) => {
    server.script = (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{", () => response.destroy());
    };
    await assert.rejects(caller.send(GET), {
      code: "unavailable",
      message: /^Cannot get x: the API server can't be reached: /,
    });
  });
});

Deno.test("ApiCaller.send() succeeds when the server has closed the kept connection", async () => {
  await withCaller(async (server, caller) => {
    await caller.send(GET);
    server.script = (request, response, count) => {
      if (count === 2) request.socket.destroy();
      else response.end('{"a":2}');
    };
    assert.deepEqual(await caller.send(GET), { a: 2 });
  });
});

Deno.test("ApiCaller.send() does not send a POST again unless it is repeatable", async () => {
  await withCaller(async (server, caller) => {
    const post = { method: "POST" as const, path: "/x", action: "create x" };
    server.script = ({ method, socket }, response) => {
      if (method === "POST") socket.destroy();
      else response.end("{}");
    };
    await caller.send(GET);
    await assert.rejects(caller.send(post), { code: "unavailable" });
    assert.equal(server.requests, 2);
    await caller.send(GET);
    await assert.rejects(caller.send({ ...post, isRepeatable: true }), {
      code: "unavailable",
    });
    assert.ok(server.requests > 4, `${server.requests} requests`);
  });
});

Deno.test("ApiCaller.send() does not send a call again that was given up on a kept connection", async () => {
  await withCaller(async (server, caller) => {
    await caller.send(GET);
    const methods: (string | undefined)[] = [];
    server.script = ({ method }, response) => {
      methods.push(method);
      if (method === "GET") response.end("{}");
    };
    await assert.rejects(
      caller.send({ ...GET, method: "PATCH", timeoutMs: 200 }),
      { code: "timed_out" },
    );
    // Whatever was sent before has arrived when this is answered.
    await caller.send(GET);
    await caller.send(GET);
    assert.deepEqual(methods, ["PATCH", "GET", "GET"]);
  });
});

Deno.test("ApiCaller.send() reads the credentials once for all calls that were refused together", async () => {
  await using server = await ScriptedServer.start();
  const { promise: isRefused, resolve } = Promise.withResolvers<void>();
  let refusedCount = 0;
  server.script = ({ headers }, response) => {
    if (headers.authorization === "Bearer t1") return response.end("{}");
    response.writeHead(401).end("{}");
    if (++refusedCount === 8) resolve();
  };
  let loadCount = 0;
  const transport = createTransport({
    credentials: server.credentials,
    async load() {
      loadCount++;
      await isRefused;
      return { ...server.credentials, authorization: "Bearer t1" };
    },
    userAgent: "test",
    reloadIntervalMs: 0,
  });
  try {
    const caller = new ApiCaller(transport, {
      log: SILENT_LOGGER,
      meter: NO_METER,
    });
    await Promise.all(Array.from({ length: 8 }, () => caller.send(GET)));
    assert.equal(loadCount, 1);
    assert.equal(refusedCount, 8);
  } finally {
    transport.close();
  }
});

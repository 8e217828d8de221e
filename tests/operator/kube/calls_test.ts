// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { NO_METER, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { ApiCaller } from "../../../lib/operator/kube/calls.ts";
import type { ScriptedServer } from "./_support/scripted_server.ts";
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
      response.write("{");
      setTimeout(() => response.destroy(), 20);
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

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { NO_METER, SILENT_LOGGER, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  Caller,
  isExpired,
  readLines,
  readWatch,
  toKubeError,
} from "../../../lib/operator/kube/calls.ts";
import {
  createTransport,
  type Transport,
} from "../../../lib/operator/kube/transport.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";

function open(server: ScriptedServer): Transport {
  return createTransport({
    credentials: server.credentials,
    load: () => Promise.resolve(server.credentials),
    userAgent: "test",
  });
}

async function withCaller(
  work: (
    server: ScriptedServer,
    caller: Caller,
    transport: Transport,
  ) => Promise<void>,
): Promise<void> {
  await using server = await ScriptedServer.start();
  const transport = open(server);
  try {
    await work(
      server,
      new Caller(transport, { log: SILENT_LOGGER, meter: NO_METER }),
      transport,
    );
  } finally {
    transport.close();
  }
}

const GET = { method: "GET" as const, path: "/x", action: "get x" };

Deno.test("Caller.send() waits as long as a busy server asks, then tries again", async () => {
  await withCaller(async (server, caller) => {
    server.script = (_request, response, count) => {
      if (count > 2) return void response.end('{"a":1}');
      response.writeHead(429, { "retry-after": "0" }).end("slow down");
    };
    assert.deepEqual(await caller.send(GET), { a: 1 });
    assert.equal(server.requests, 3);
  });
});

Deno.test("Caller.send() gives up at its time when nothing comes", async () => {
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

Deno.test("Caller.send() says unavailable when the reply is cut", async () => {
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

Deno.test("Caller.send() does not fail for a kept connection that the server has closed", async () => {
  await withCaller(async (server, caller) => {
    await caller.send(GET);
    server.script = (request, response, count) => {
      if (count === 2) request.socket.destroy();
      else response.end('{"a":2}');
    };
    assert.deepEqual(await caller.send(GET), { a: 2 });
  });
});

const watch = (
  transport: Transport,
  options: { idleTimeoutMs?: number; signal?: AbortSignal } = {},
) =>
  readWatch<{ metadata: { name: string } }>(transport, {
    path: "/w",
    action: "watch x",
    idleTimeoutMs: options.idleTimeoutMs ?? 5000,
    signal: options.signal ?? new AbortController().signal,
  });

Deno.test("readWatch() joins lines however they are cut, and ends with the reply", async () => {
  await withCaller(async (server, _caller, transport) => {
    const lines = ["a", "b", "ü"].map((name) =>
      JSON.stringify({ type: "ADDED", object: { metadata: { name } } }) + "\n"
    ).join("");
    server.script = async (_request, response) => {
      for (const byte of utf8(lines)) {
        response.write(Uint8Array.of(byte));
        if (byte === 10) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      response.end();
    };
    const names: string[] = [];
    for await (const event of watch(transport)) {
      assert.ok(event.type === "ADDED");
      names.push(event.object.metadata.name);
    }
    assert.deepEqual(names, ["a", "b", "ü"]);
  });
});

Deno.test("readWatch() gives errors of the server, and throws for silence, cuts and garbage", async () => {
  await withCaller(async (server, _caller, transport) => {
    const read = async (options = {}) => {
      for await (const event of watch(transport, options)) return event;
      return undefined;
    };
    server.script = (_request, response) =>
      response.end('{"type":"ERROR","object":{"code":410,"message":"old"}}\n');
    assert.deepEqual(await read(), {
      type: "ERROR",
      code: 410,
      message: "old",
    });
    server.script = (_request, response) =>
      response.writeHead(403).end(
        '{"message":"no right","reason":"Forbidden"}',
      );
    await assert.rejects(read(), {
      code: "forbidden",
      message: "Cannot watch x: no right",
    });
    server.script = (_request, response) => void response.write("\n");
    await assert.rejects(read({ idleTimeoutMs: 200 }), {
      code: "timed_out",
      message: /nothing came for 200 ms/,
    });
    server.script = (_request, response) => {
      response.write("\n");
      setTimeout(() => response.destroy(), 20);
    };
    await assert.rejects(read(), { code: "unavailable" });
    server.script = (_request, response) => response.end("garbage\n");
    await assert.rejects(read(), {
      code: "unavailable",
      message: /isn't JSON/,
    });
    server.script = () => {};
    await assert.rejects(read({ signal: AbortSignal.timeout(100) }), {
      name: "TimeoutError",
    });
  });
});

Deno.test("readLines() gives a line that was cut at every byte", async () => {
  async function* bytes() {
    for (const byte of utf8("one\n\ntwo\nrest")) {
      yield await Promise.resolve(Uint8Array.of(byte));
    }
  }
  const lines: string[] = [];
  for await (const line of readLines(bytes())) lines.push(line);
  assert.deepEqual(lines, ["one", "two"]);
});

Deno.test("toKubeError() has a code for every refusal", () => {
  const cases: [number, string, string][] = [
    [400, "", "invalid"],
    [401, "", "unauthorized"],
    [403, "", "forbidden"],
    [404, "", "not_found"],
    [409, "AlreadyExists", "already_exists"],
    [409, "Conflict", "conflict"],
    [410, "Expired", "not_found"],
    [413, "", "too_large"],
    [422, "Invalid", "invalid"],
    [429, "", "unavailable"],
    [500, "InternalError", "unavailable"],
    [503, "", "unavailable"],
    [504, "Timeout", "timed_out"],
  ];
  for (const [status, reason, code] of cases) {
    const body = JSON.stringify({ reason, message: "m" });
    const error = toKubeError({ status, body, action: "get x" });
    assert.equal(error.code, code, `${status} ${reason}`);
    assert.equal(error.message, "Cannot get x: m");
    assert.equal(isExpired(error), status === 410);
  }
  assert.equal(
    toKubeError({ status: 502, body: "<html>\nbad", action: "get x" }).message,
    "Cannot get x: <html>",
  );
  assert.equal(
    toKubeError({ status: 502, body: "", action: "get x" }).message,
    "Cannot get x: the API server answered 502",
  );
});

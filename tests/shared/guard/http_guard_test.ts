// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { HttpGuard } from "../../../lib/shared/guard/http_guard.ts";
import { PendingSockets } from "../../../lib/shared/guard/pending_sockets.ts";
import { until } from "../../../dev/base/wait.ts";

const REQUEST = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/** Resolves when the socket is closed, also by a reset: `once()` would reject with its error. */
function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once("close", () => resolve()));
}

async function setUp(
  handle: (
    request: IncomingMessage,
    response: ServerResponse,
    guard: HttpGuard,
  ) => void,
) {
  const pending = new PendingSockets({ maxCount: 1, timeoutMs: 60_000 });
  const server = createServer();
  const guard = new HttpGuard(server, pending);
  guard.onRequest((request, response) => handle(request, response, guard));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    pending,
    connect: () => connect(port, "127.0.0.1").on("error", () => {}),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

Deno.test("HttpGuard destroys a connection with many requests that are not answered", async () => {
  let requestCount = 0;
  await using server = await setUp(() => void requestCount++);
  const client = server.connect();
  client.write(REQUEST.repeat(500));
  await untilClosed(client);
  assert.equal(requestCount, 8);
});

Deno.test("HttpGuard serves any number of requests one after the other", async () => {
  let requestCount = 0;
  await using server = await setUp((_, response) => {
    requestCount++;
    response.end("ok");
  });
  const client = server.connect();
  for (let sentCount = 1; sentCount <= 40; sentCount++) {
    client.write(REQUEST);
    await once(client, "data");
    assert.equal(requestCount, sentCount);
  }
  client.destroy();
});

Deno.test("HttpGuard.admit() ends the pending state of a connection", async () => {
  await using server = await setUp((request, response, guard) => {
    if (request.url === "/allowed") guard.admit(request);
    response.end("ok");
  });
  const client = server.connect();
  client.write(REQUEST);
  await once(client, "data");
  assert.equal(server.pending.count, 1);
  const refused = server.connect();
  await untilClosed(refused);
  client.write("GET /allowed HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(client, "data");
  assert.equal(server.pending.count, 0);
  const next = server.connect();
  next.write(REQUEST);
  await once(next, "data");
  client.destroy();
  next.destroy();
});

Deno.test("HttpGuard drops a small body, and ends the connection of a large or chunked one", async () => {
  let requestCount = 0;
  await using server = await setUp((_, response) => {
    requestCount++;
    response.end("ok");
  });
  const head = "POST / HTTP/1.1\r\nhost: x\r\n";
  const small = server.connect();
  small.write(`${head}content-length: 4096\r\n\r\n${"x".repeat(4096)}`);
  await once(small, "data");
  assert.equal(requestCount, 1);
  small.destroy();
  for (const kind of ["content-length: 4097", "transfer-encoding: chunked"]) {
    await until(() => server.pending.count === 0, "a free slot");
    const large = server.connect();
    large.write(`${head}${kind}\r\n\r\n`);
    await untilClosed(large);
  }
  assert.equal(requestCount, 1);
});

Deno.test("HttpGuard closes a connection that is not HTTP", async () => {
  await using server = await setUp(() => assert.fail("no request was sent"));
  const client = server.connect();
  client.write("\x16\x03\x01 hello\r\n\r\n");
  await untilClosed(client);
});

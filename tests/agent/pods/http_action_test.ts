// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { create, HttpActionSchema } from "../../../lib/shared/wire/mod.ts";
import {
  type HttpResult,
  requestHttp,
} from "../../../lib/agent/pods/http_action.ts";

/** A server that answers each request with what `respond` returns. */
class TestServer implements AsyncDisposable {
  readonly requests: string[] = [];
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #respond: (path: string, port: number) => string;
  port = 0;

  private constructor(respond: (path: string, port: number) => string) {
    this.#respond = respond;
  }

  static async start(
    respond: (path: string, port: number) => string,
  ): Promise<TestServer> {
    const server = new TestServer(respond);
    await new Promise<void>((resolve) =>
      server.#server.listen(0, "127.0.0.1", resolve)
    );
    const address = server.#server.address();
    assert.ok(address && typeof address === "object");
    server.port = address.port;
    return server;
  }

  #serve(socket: Socket): void {
    let request = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      request += chunk.toString("latin1");
      const isHttp = request.startsWith("GET ");
      if (isHttp && !request.endsWith("\r\n\r\n")) return;
      this.requests.push(isHttp ? request : "TLS");
      const path = request.split(" ")[1] ?? "";
      socket.end(isHttp ? this.#respond(path, this.port) : BAD_REQUEST);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const BAD_REQUEST = "HTTP/1.1 400 Bad Request\r\n\r\n";
const redirectTo = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Found\r\nDate: today\r\nlocation: ${location}\r\n\r\n`;

function request(
  port: number,
  changes: {
    scheme?: string;
    path?: string;
    headers?: { name: string; value: string }[];
    fallsBackToHttp?: boolean;
  } = {},
): Promise<HttpResult> {
  const { fallsBackToHttp = false, ...action } = changes;
  return requestHttp(create(HttpActionSchema, { port, ...action }), {
    defaultHost: "127.0.0.1",
    userAgent: "test/1",
    fallsBackToHttp,
    signal: AbortSignal.timeout(30_000),
  });
}

Deno.test("requestHttp() sends the headers of the action, and others once", async () => {
  await using server = await TestServer.start(() =>
    "HTTP/1.1 204 No Content\r\n\r\n"
  );
  const { status } = await request(server.port, {
    path: "a?b=c",
    headers: [
      { name: "Host", value: "web" },
      { name: "user-agent", value: "mine" },
      { name: "X", value: "1\r\nY: 2" },
    ],
  });
  assert.equal(status, 204);
  assert.deepEqual(server.requests, [
    "GET /a?b=c HTTP/1.1\r\nHost: web\r\nuser-agent: mine\r\nX: 1  Y: 2\r\n" +
    "Accept: */*\r\nConnection: close\r\n\r\n",
  ]);
});

Deno.test("requestHttp() has the address as Host and its own User-Agent", async () => {
  await using server = await TestServer.start(() => "HTTP/1.0 200 OK\r\n\r\n");
  await request(server.port, {});
  assert.equal(
    server.requests[0],
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nUser-Agent: test/1\r\n` +
      "Accept: */*\r\nConnection: close\r\n\r\n",
  );
});

for (
  const [title, location] of [
    ["a relative redirect", (_port: number) => "end?x=1"],
    ["an absolute redirect", (port: number) => `http://127.0.0.1:${port}/end`],
  ] as const
) {
  Deno.test(`requestHttp() follows ${title} on the same host`, async () => {
    await using server = await TestServer.start((path, port) =>
      path.startsWith("/end")
        ? "HTTP/1.1 500 x\r\n\r\n"
        : redirectTo(location(port))
    );
    assert.deepEqual(await request(server.port, { path: "/begin" }), {
      status: 500,
    });
    assert.equal(server.requests.length, 2);
  });
}

Deno.test("requestHttp() follows a redirect to another port", async () => {
  await using end = await TestServer.start(() => "HTTP/1.1 503 x\r\n\r\n");
  await using begin = await TestServer.start(() =>
    redirectTo(`http://127.0.0.1:${end.port}/`, 307)
  );
  assert.equal((await request(begin.port)).status, 503);
});

Deno.test("requestHttp() keeps a Host header through relative redirects only", async () => {
  const headers = [{ name: "Host", value: "web" }];
  const hosts = async (respond: (path: string, port: number) => string) => {
    await using server = await TestServer.start(respond);
    await request(server.port, { headers });
    return server.requests.map((text) => /^Host: (.*)$/m.exec(text)?.[1]);
  };
  assert.deepEqual(
    await hosts((path) => path === "/" ? redirectTo("/b") : BAD_REQUEST),
    ["web", "web"],
  );
  const [first, second] = await hosts((path, port) =>
    path === "/" ? redirectTo(`http://127.0.0.1:${port}/b`) : BAD_REQUEST
  );
  assert.equal(first, "web");
  assert.match(second ?? "", /^127\.0\.0\.1:\d+$/);
});

for (
  const [title, response] of [
    ["leads to another host", redirectTo("http://192.0.2.7/")],
    ["leads to another protocol", redirectTo("ftp://127.0.0.1/")],
    ["has no location", "HTTP/1.1 302 Found\r\n\r\n"],
    ["is none", "HTTP/1.1 304 Not Modified\r\nLocation: /b\r\n\r\n"],
  ] as const
) {
  Deno.test(`requestHttp() returns the status when a redirect ${title}`, async () => {
    await using server = await TestServer.start(() => response);
    const { status } = await request(server.port);
    assert.equal(status, Number(response.split(" ")[1]));
    assert.equal(server.requests.length, 1);
  });
}

Deno.test("requestHttp() fails after ten redirects", async () => {
  await using server = await TestServer.start(() => redirectTo("/"));
  await assert.rejects(request(server.port), {
    message: "Cannot finish HTTP request: stopped after 10 redirects",
  });
  assert.equal(server.requests.length, 11);
});

Deno.test("requestHttp() fails when the response is not HTTP", async () => {
  await using server = await TestServer.start(() => "garbage");
  await assert.rejects(request(server.port), {
    message: "Cannot read HTTP response: not HTTP",
  });
});

Deno.test("requestHttp() repeats a request without TLS if that is allowed", async () => {
  await using server = await TestServer.start(() => "HTTP/1.1 404 x\r\n\r\n");
  const { port } = server;
  await assert.rejects(request(port, { scheme: "HTTPS" }));
  assert.deepEqual(
    await request(port, { scheme: "HTTPS", fallsBackToHttp: true }),
    { status: 404, fellBackAt: `127.0.0.1:${port}` },
  );
});

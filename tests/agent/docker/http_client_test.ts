// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import type { DockerCall } from "../../../lib/agent/docker/client.ts";
import { DockerHttpClient } from "../../../lib/agent/docker/http_client.ts";

const PING =
  "HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 2\r\n\r\nOK";
const json = (text: string) =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
const CALL: DockerCall = {
  method: "GET",
  path: "/info",
  action: "Cannot get info",
};

/**
 * An engine that sends the n-th text after the n-th request, or closes the connection when it is
 * undefined.
 */
class ScriptedEngine implements AsyncDisposable {
  readonly requests: string[] = [];
  connectionCount = 0;
  readonly #folder: string;
  readonly #listener: Deno.UnixListener;
  readonly #conns = new Set<Deno.UnixConn>();
  readonly #responses: (string | undefined)[];

  constructor(responses: (string | undefined)[]) {
    this.#responses = [...responses];
    this.#folder = Deno.makeTempDirSync();
    this.#listener = Deno.listen({
      transport: "unix",
      path: `${this.#folder}/docker.sock`,
    });
    this.#accept();
  }

  get host(): string {
    return `unix://${this.#folder}/docker.sock`;
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.connectionCount++;
        this.#conns.add(conn);
        this.#serve(conn).catch(() => {});
      }
    } catch {
      // The listener was closed.
    }
  }

  async #serve(conn: Deno.UnixConn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) break;
      this.requests.push(fromUtf8(buffer.subarray(0, count)));
      const response = this.#responses.shift();
      if (response === undefined) break;
      await conn.write(utf8(response));
    }
    this.#conns.delete(conn);
    conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) {
      try {
        conn.close();
      } catch {
        // Closed already.
      }
    }
    await Deno.remove(this.#folder, { recursive: true });
  }
}

Deno.test("DockerHttpClient.request() negotiates the version once and reuses its connection", async () => {
  await using engine = new ScriptedEngine([PING, json('{"a":1}'), json("[]")]);
  await using client = new DockerHttpClient({ host: engine.host });
  assert.deepEqual(await client.request(CALL), { a: 1 });
  assert.deepEqual(await client.request(CALL), []);
  assert.equal(engine.connectionCount, 1);
  assert.match(engine.requests[1] ?? "", /^GET \/v1\.43\/info HTTP\/1\.1\r\n/);
});

Deno.test("DockerHttpClient.request() encodes query and body", async () => {
  await using engine = new ScriptedEngine([PING, json("{}")]);
  await using client = new DockerHttpClient({ host: engine.host });
  await client.request({
    ...CALL,
    method: "POST",
    query: { all: true, none: undefined, q: "a b&c" },
    body: { x: "é" },
  });
  const sent = engine.requests[1] ?? "";
  assert.match(sent, /^POST \/v1\.43\/info\?all=true&q=a\+b%26c /);
  assert.match(sent, /content-length: 10\r\n/);
  assert.ok(sent.endsWith('\r\n\r\n{"x":"é"}'));
});

Deno.test("DockerHttpClient.request() retries once when the engine closed an idle connection", async () => {
  await using engine = new ScriptedEngine([
    PING,
    json("1"),
    undefined,
    json("2"),
  ]);
  await using client = new DockerHttpClient({ host: engine.host });
  assert.equal(await client.request(CALL), 1);
  assert.equal(await client.request(CALL), 2);
  assert.equal(engine.connectionCount, 2);
});

Deno.test("DockerHttpClient.request() fails as unavailable when the engine closes the connection", async () => {
  await using engine = new ScriptedEngine([undefined]);
  await using client = new DockerHttpClient({ host: engine.host });
  await assert.rejects(client.request(CALL), {
    code: "unavailable",
    message: /^Cannot get info: the connection to Docker failed/,
  });
});

Deno.test("DockerHttpClient.request() ends at its timeout and with its signal", async () => {
  await using engine = new ScriptedEngine([PING, "", ""]);
  await using client = new DockerHttpClient({ host: engine.host });
  await assert.rejects(client.request({ ...CALL, timeoutMs: 50 }), {
    code: "timed_out",
  });
  const controller = new AbortController();
  const pending = client.request({ ...CALL, signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(pending, /enough/);
});

Deno.test("DockerHttpClient.request() fails when the response is not JSON", async () => {
  await using engine = new ScriptedEngine([PING, json("<html>")]);
  await using client = new DockerHttpClient({ host: engine.host });
  await assert.rejects(client.request(CALL), {
    code: "internal",
    message: "Cannot get info: Docker's response is not JSON",
  });
});

Deno.test("DockerHttpClient.stream() ends when its reader leaves the loop", async () => {
  await using engine = new ScriptedEngine([
    PING,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
  ]);
  await using client = new DockerHttpClient({ host: engine.host });
  for await (const chunk of await client.stream(CALL)) {
    assert.equal(fromUtf8(chunk), "a");
    break;
  }
});

Deno.test("DockerHttpClient.stream() throws the signal's reason to a waiting reader", async () => {
  await using engine = new ScriptedEngine([
    PING,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  ]);
  await using client = new DockerHttpClient({ host: engine.host });
  const controller = new AbortController();
  const chunks = await client.stream({ ...CALL, signal: controller.signal });
  const read = Array.fromAsync(chunks);
  controller.abort(new Error("aborted"));
  await assert.rejects(read, /aborted/);
});

Deno.test("DockerHttpClient[Symbol.asyncDispose]() fails pending and later calls", async () => {
  await using engine = new ScriptedEngine([PING, ""]);
  const client = new DockerHttpClient({ host: engine.host });
  const pending = client.request(CALL).catch((error) => error);
  await client[Symbol.asyncDispose]();
  assert.match(String(await pending), /the Docker client is closed/);
  await assert.rejects(client.request(CALL), /the Docker client is closed/);
});

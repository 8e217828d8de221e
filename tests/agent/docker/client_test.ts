// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  createDockerClient,
  type DockerCall,
} from "../../../lib/agent/docker/client.ts";

const PING =
  "HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 2\r\n\r\nOK";
const json = (text: string) =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
const CALL: DockerCall = {
  method: "GET",
  path: "/info",
  action: "Cannot ask",
};

/** An engine that answers the n-th request with the n-th text; undefined: it closes the connection. */
class ScriptedEngine implements AsyncDisposable {
  readonly requests: string[] = [];
  connections = 0;
  readonly #folder: string;
  readonly #listener: Deno.UnixListener;
  readonly #conns = new Set<Deno.UnixConn>();
  readonly #answers: (string | undefined)[];

  constructor(answers: (string | undefined)[]) {
    this.#answers = [...answers];
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
        this.connections++;
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
      const answer = this.#answers.shift();
      if (answer === undefined) break;
      await conn.write(utf8(answer));
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

Deno.test("request() negotiates once and keeps its connection", async () => {
  await using engine = new ScriptedEngine([PING, json('{"a":1}'), json("[]")]);
  await using client = createDockerClient({ host: engine.host });
  assert.deepEqual(await client.request(CALL), { a: 1 });
  assert.deepEqual(await client.request(CALL), []);
  assert.equal(engine.connections, 1);
  assert.match(engine.requests[1] ?? "", /^GET \/v1\.43\/info HTTP\/1\.1\r\n/);
});

Deno.test("request() encodes query and body", async () => {
  await using engine = new ScriptedEngine([PING, json("{}")]);
  await using client = createDockerClient({ host: engine.host });
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

Deno.test("request() tries once more when an idle connection was closed by the engine", async () => {
  await using engine = new ScriptedEngine([
    PING,
    json("1"),
    undefined,
    json("2"),
  ]);
  await using client = createDockerClient({ host: engine.host });
  assert.equal(await client.request(CALL), 1);
  assert.equal(await client.request(CALL), 2);
  assert.equal(engine.connections, 2);
});

Deno.test("request() says that a connection broke", async () => {
  await using engine = new ScriptedEngine([undefined]);
  await using client = createDockerClient({ host: engine.host });
  await assert.rejects(client.request(CALL), {
    code: "unavailable",
    message: /^Cannot ask: the connection to Docker broke/,
  });
});

Deno.test("request() ends at its deadline and with its signal", async () => {
  await using engine = new ScriptedEngine([PING, "", ""]);
  await using client = createDockerClient({ host: engine.host });
  await assert.rejects(client.request({ ...CALL, timeoutMs: 50 }), {
    code: "timed_out",
  });
  const controller = new AbortController();
  const asked = client.request({ ...CALL, signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(asked, /enough/);
});

Deno.test("request() refuses an answer that is no JSON", async () => {
  await using engine = new ScriptedEngine([PING, json("<html>")]);
  await using client = createDockerClient({ host: engine.host });
  await assert.rejects(client.request(CALL), {
    code: "internal",
    message: "Cannot ask: Docker's answer is not JSON",
  });
});

Deno.test("stream() ends when its reader leaves", async () => {
  await using engine = new ScriptedEngine([
    PING,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
  ]);
  await using client = createDockerClient({ host: engine.host });
  for await (const chunk of await client.stream(CALL)) {
    assert.equal(fromUtf8(chunk), "a");
    break;
  }
});

Deno.test("stream() throws the signal's reason to a waiting reader", async () => {
  await using engine = new ScriptedEngine([
    PING,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  ]);
  await using client = createDockerClient({ host: engine.host });
  const controller = new AbortController();
  const chunks = await client.stream({ ...CALL, signal: controller.signal });
  const read = Array.fromAsync(chunks);
  controller.abort(new Error("left"));
  await assert.rejects(read, /left/);
});

Deno.test("disposing a client ends what runs on it", async () => {
  await using engine = new ScriptedEngine([PING, ""]);
  const client = createDockerClient({ host: engine.host });
  const asked = client.request(CALL).catch((error) => error);
  await client[Symbol.asyncDispose]();
  assert.match(String(await asked), /Docker|closed|stopping/);
  await assert.rejects(client.request(CALL), /the Docker client is closed/);
});

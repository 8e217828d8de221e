// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { createTransport } from "../../../lib/operator/kube/transport.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";

/** An HTTP proxy; tunnels lead to one server, whatever they ask for. */
class Proxy implements AsyncDisposable {
  readonly targets: (string | undefined)[] = [];
  readonly logins: (string | undefined)[] = [];
  /** @default open a tunnel */
  answer: ((socket: Duplex) => void) | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    server.on(
      "connect",
      (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
        this.targets.push(request.url);
        this.logins.push(request.headers["proxy-authorization"]);
        this.#keep(socket);
        if (this.answer) return this.answer(socket);
        const onward = connect(port, "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          onward.write(head);
          onward.pipe(socket);
          socket.pipe(onward);
        });
        this.#keep(onward);
      },
    );
  }

  static async start(target: ScriptedServer): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server, target.port);
    await new Promise<void>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve())
    );
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function open(server: ScriptedServer, proxy: string) {
  const credentials = {
    ...server.credentials,
    server: `https://api.example:${server.port}`,
    proxy,
  };
  const transport = createTransport({
    credentials,
    load: () => Promise.resolve(credentials),
    userAgent: "test",
  });
  return {
    async get(): Promise<string> {
      const reply = await transport.send({
        method: "GET",
        path: "/x",
        headers: {},
        pool: "normal",
        signal: AbortSignal.timeout(60_000),
      });
      let text = "";
      const decoder = new TextDecoder();
      for await (const part of reply.body) text += decoder.decode(part);
      return text;
    },
    [Symbol.dispose]: () => transport.close(),
  };
}

Deno.test("TunnelAgent reaches the server through the proxy, with its login and over a kept tunnel", async () => {
  await using server = await ScriptedServer.start({ names: ["api.example"] });
  await using proxy = await Proxy.start(server);
  using client = open(server, `http://user:p%40ss@127.0.0.1:${proxy.port}`);
  assert.equal(await client.get(), "{}");
  assert.equal(await client.get(), "{}");
  assert.deepEqual(proxy.targets, [`api.example:${server.port}`]);
  assert.deepEqual(proxy.logins, [`Basic ${btoa("user:p@ss")}`]);
});

Deno.test("TunnelAgent verifies the server behind the proxy", async () => {
  await using server = await ScriptedServer.start({ names: ["other.example"] });
  await using proxy = await Proxy.start(server);
  using client = open(server, `http://127.0.0.1:${proxy.port}`);
  await assert.rejects(client.get(), {
    code: "unavailable",
    message: /altnames|not valid for name|NotValidForName/i,
  });
});

Deno.test("TunnelAgent names the proxy that refuses or is not there", async () => {
  await using server = await ScriptedServer.start({ names: ["api.example"] });
  await using proxy = await Proxy.start(server);
  proxy.answer = (socket) =>
    void socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  using refused = open(server, `http://127.0.0.1:${proxy.port}`);
  await assert.rejects(refused.get(), {
    code: "unavailable",
    message: /^proxy 127\.0\.0\.1:\d+ refused api\.example:\d+ with 407$/,
  });
  using missing = open(server, "http://127.0.0.1:1");
  await assert.rejects(missing.get(), {
    code: "unavailable",
    message: /^proxy 127\.0\.0\.1:1 can't be reached: /,
  });
});

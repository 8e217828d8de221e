// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Credentials } from "../../../lib/operator/kube/kubeconfig.ts";
import { createTransport } from "../../../lib/operator/kube/transport.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";

function open(credentials: Credentials) {
  const transport = createTransport({
    credentials,
    load: () => Promise.resolve(credentials),
    userAgent: "test/1",
  });
  return {
    transport,
    async get() {
      const reply = await transport.send({
        method: "GET",
        path: "/x",
        headers: {},
        pool: "normal",
        signal: AbortSignal.timeout(5000),
      });
      let text = "";
      const decoder = new TextDecoder();
      for await (const part of reply.body) text += decoder.decode(part);
      return text;
    },
    [Symbol.dispose]: () => transport.close(),
  };
}

Deno.test("Transport.send() sends token and user agent over a kept connection", async () => {
  await using server = await ScriptedServer.start();
  using client = open(server.credentials);
  const ports = new Set<number | undefined>();
  server.script = ({ headers, socket }, response) => {
    ports.add(socket.remotePort);
    response.end(`${headers.authorization} ${headers["user-agent"]}`);
  };
  assert.equal(await client.get(), "Bearer t0 test/1");
  assert.equal(await client.get(), "Bearer t0 test/1");
  assert.equal(ports.size, 1);
});

Deno.test("Transport.send() reads the token file, and rejects when it does not exist", async () => {
  await using server = await ScriptedServer.start();
  const tokenFile = await Deno.makeTempFile();
  try {
    const { authorization: _none, ...rest } = server.credentials;
    server.script = ({ headers }, response) =>
      response.end(headers.authorization);
    await Deno.writeTextFile(tokenFile, "t1\n");
    using client = open({ ...rest, tokenFile });
    assert.equal(await client.get(), "Bearer t1");
    using missing = open({ ...rest, tokenFile: `${tokenFile}.not` });
    await assert.rejects(missing.get(), { code: "unauthorized" });
  } finally {
    await Deno.remove(tokenFile);
  }
});

Deno.test("Transport.send() rejects when the server's CA is not trusted", async () => {
  await using server = await ScriptedServer.start();
  const { ca: _none, ...rest } = server.credentials;
  using untrusting = open(rest);
  await assert.rejects(untrusting.get(), { code: "unavailable" });
  using trusting = open({ ...rest, insecure: true });
  assert.equal(await trusting.get(), "{}");
});

Deno.test("Transport.send() rejects when there is no server or it is closed", async () => {
  let credentials: Credentials;
  {
    await using server = await ScriptedServer.start();
    credentials = server.credentials;
  }
  using client = open(credentials);
  await assert.rejects(client.get(), { code: "unavailable" });
  client.transport.close();
  await assert.rejects(client.get(), {
    code: "unavailable",
    message: "the client is closed",
  });
});

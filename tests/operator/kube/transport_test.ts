// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Credentials } from "../../../lib/operator/kube/credentials.ts";
import { NO_METER, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { ApiCaller } from "../../../lib/operator/kube/calls.ts";
import {
  createTransport,
  LEASE_CONNECTION_COUNT,
} from "../../../lib/operator/kube/transport.ts";
import type { ConnectionPool } from "../../../lib/operator/kube/mod.ts";
import { until } from "../../../dev/base/wait.ts";
import { ScriptedServer } from "./_support/scripted_server.ts";

function open(
  credentials: Credentials,
  load: () => Credentials = () => credentials,
) {
  const transport = createTransport({
    credentials,
    load: () => Promise.resolve(load()),
    userAgent: "test/1",
    reloadIntervalMs: 0,
  });
  return {
    transport,
    async get(pool: ConnectionPool = "normal") {
      const reply = await transport.send({
        method: "GET",
        path: "/x",
        headers: {},
        pool,
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

Deno.test("Transport.send() has a connection for each renewal of a Lease that runs at the same time", async () => {
  await using server = await ScriptedServer.start();
  const held: (() => void)[] = [];
  server.script = (_request, response) => {
    held.push(() => response.end("{}"));
  };
  using client = open(server.credentials);
  const calls = Array.from(
    { length: LEASE_CONNECTION_COUNT },
    () => client.get("leases"),
  );
  await until(() => held.length === calls.length, {
    what: "all requests at the server",
    detail: () => `${held.length} requests`,
  });
  for (const respond of held) respond();
  await Promise.all(calls);
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

Deno.test("Transport.send() sends the headers that impersonate a user", async () => {
  await using server = await ScriptedServer.start();
  using client = open({
    ...server.credentials,
    headers: {
      "impersonate-user": "alice",
      "impersonate-group": ["dev", "ops"],
    },
  });
  server.script = ({ rawHeaders }, response) => {
    const lines: string[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index]?.toLowerCase() ?? "";
      if (name.startsWith("imp")) {
        lines.push(`${name}=${rawHeaders[index + 1]}`);
      }
    }
    response.end(lines.join(" "));
  };
  assert.equal(
    await client.get(),
    "impersonate-user=alice impersonate-group=dev impersonate-group=ops",
  );
});

Deno.test("Transport.send() reads the credentials again when the server's CA was rotated", async () => {
  await using server = await ScriptedServer.start();
  let credentials = server.credentials;
  using client = open(credentials, () => credentials);
  assert.equal(await client.get(), "{}");
  const ca = await server.rotateAuthority();
  server.script = (_request, response) => {
    // Kept connections stay usable after a rotation.
    response.setHeader("connection", "close");
    response.end("{}");
  };
  await client.get();
  await assert.rejects(client.get(), { code: "unavailable" });
  credentials = { ...credentials, ca };
  assert.equal(await client.get(), "{}");
});

Deno.test("Transport.send() replaces credentials before they expire", async () => {
  await using server = await ScriptedServer.start();
  server.script = ({ headers }, response) =>
    response.end(headers.authorization);
  const expiresMs = Date.now() + 20_000;
  using client = open({ ...server.credentials, expiresMs }, () => ({
    ...server.credentials,
    authorization: "Bearer next",
  }));
  assert.equal(await client.get(), "Bearer next");
});

Deno.test("Transport.send() uses the token of a file at once when the former one is refused", async () => {
  await using server = await ScriptedServer.start();
  const tokenFile = await Deno.makeTempFile();
  try {
    const { authorization: _none, ...rest } = server.credentials;
    await Deno.writeTextFile(tokenFile, "t1");
    using client = open({ ...rest, tokenFile });
    let seen = "";
    server.script = ({ headers }, response) => {
      seen = headers.authorization ?? "";
      response.writeHead(seen === "Bearer t2" ? 200 : 401).end("{}");
    };
    await client.get();
    assert.equal(seen, "Bearer t1");
    await Deno.writeTextFile(tokenFile, "t2");
    const caller = new ApiCaller(client.transport, {
      log: SILENT_LOGGER,
      meter: NO_METER,
    });
    await caller.send({ method: "GET", path: "/x", action: "get x" });
    assert.equal(seen, "Bearer t2");
  } finally {
    await Deno.remove(tokenFile);
  }
});

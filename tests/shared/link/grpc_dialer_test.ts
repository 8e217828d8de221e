// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer as createTcpServer, type Server } from "node:net";
import { type LogFields, SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createGrpcDialer,
  type GrpcDialerOptions,
  type GrpcListener,
  listenGrpc,
} from "../../../lib/shared/link/mod.ts";
import {
  createAuthority,
  issueServerCertificate,
  type KeyPair,
} from "../../../lib/operator/pki/mod.ts";

const HOST = "127.0.0.1";
const log = SILENT_LOGGER;
const DAY_MS = 86_400_000;

async function startListener(
  options: { authority: KeyPair; nowMs?: number; dnsNames?: string[] },
): Promise<GrpcListener> {
  const tls = await issueServerCertificate({
    commonName: "operator",
    ips: options.dnsNames ? [] : [HOST],
    dnsNames: [],
    ...options,
  });
  return await listenGrpc({ host: HOST, port: 0, tls, log });
}

function dial(
  listener: { address: { port: number } },
  options: Partial<GrpcDialerOptions>,
) {
  return createGrpcDialer({
    endpoint: `${HOST}:${listener.address.port}`,
    log,
    ...options,
  }).dial({ signal: AbortSignal.timeout(30_000) });
}

/** Starts a TCP server that answers the first bytes of each connection with a text, or never. */
async function startTcpServer(answer: string | undefined) {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => {
      if (answer !== undefined) socket.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  return {
    address,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("dial() rejects a server of another CA and names its issuer", async () => {
  const authority = await createAuthority({ name: "theirs" });
  const ours = await createAuthority({ name: "ours" });
  await using listener = await startListener({ authority });
  await assert.rejects(dial(listener, { ca: ours.cert }), {
    code: "unauthorized",
    message:
      `Cannot connect to 127.0.0.1:${listener.address.port}: its certificate (CN=operator) is signed by "CN=theirs", which is not a CA that this device trusts`,
  });
});

Deno.test("dial() rejects another CA of the same name", async () => {
  const authority = await createAuthority({ name: "ca" });
  const twin = await createAuthority({ name: "ca" });
  await using listener = await startListener({ authority });
  await assert.rejects(dial(listener, { ca: twin.cert }), {
    code: "unauthorized",
    message: /is signed by "CN=ca", which is not a CA that this device trusts$/,
  });
  // A clock in the past makes no difference.
  await assert.rejects(dial(listener, { ca: twin.cert, now: () => 0 }), {
    code: "unauthorized",
    message: /is signed by "CN=ca", which is not a CA that this device trusts$/,
  });
});

Deno.test("dial() rejects a private CA when none is configured", async () => {
  const authority = await createAuthority({ name: "private" });
  await using listener = await startListener({ authority });
  await assert.rejects(dial(listener, {}), { code: "unauthorized" });
});

Deno.test("dial() accepts a certificate of one of several CAs", async () => {
  const authority = await createAuthority({ name: "new" });
  const old = await createAuthority({ name: "old" });
  await using listener = await startListener({ authority });
  const link = await dial(listener, { ca: old.cert + authority.cert });
  link.close("done");
  await link.closed;
});

Deno.test("dial() rejects a certificate of another name, unless serverName is that name", async () => {
  const authority = await createAuthority({ name: "ca" });
  await using listener = await startListener({
    authority,
    dnsNames: ["edge.example"],
  });
  const ca = authority.cert;
  await assert.rejects(dial(listener, { ca }), {
    code: "unauthorized",
    message: /its certificate is for DNS:edge\.example, expected 127\.0\.0\.1$/,
  });
  const link = await dial(listener, { ca, serverName: "edge.example" });
  link.close("done");
  await link.closed;
});

Deno.test("dial() accepts a certificate that is not valid yet, with a warning about the clock", async () => {
  const nowMs = Date.now() + 400 * DAY_MS;
  const authority = await createAuthority({ name: "ca", nowMs });
  await using listener = await startListener({ authority, nowMs });
  const warnings: [string, LogFields | undefined][] = [];
  const link = await dial(listener, {
    ca: authority.cert,
    log: {
      ...SILENT_LOGGER,
      warn: (message, fields) => void warnings.push([message, fields]),
    },
  });
  link.close("done");
  await link.closed;
  assert.equal(warnings.length, 1);
  assert.match(String(warnings[0]?.[0]), /clock must be wrong/);
});

Deno.test("dial() rejects an expired certificate and names both times", async () => {
  const nowMs = Date.now() - 30 * DAY_MS;
  const authority = await createAuthority({ name: "ca", nowMs });
  const tls = await issueServerCertificate({
    authority,
    commonName: "operator",
    ips: [HOST],
    dnsNames: [],
    nowMs,
    days: 1,
  });
  await using listener = await listenGrpc({ host: HOST, port: 0, tls, log });
  await assert.rejects(dial(listener, { ca: authority.cert }), {
    code: "unauthorized",
    message:
      /certificate "CN=operator" expired at \d{4}-.*Z; this device's time is \d{4}-.*Z$/,
  });
});

Deno.test("dial() rejects when the connection is refused", async () => {
  // Port 1 is given to no socket that asks for any, and nothing listens there.
  const closed = { address: { port: 1 } };
  for (const insecure of [true, false]) {
    await assert.rejects(dial(closed, { insecure }), {
      code: "unavailable",
      message: /127\.0\.0\.1:\d+: connection refused$/,
    });
  }
});

Deno.test("dial() rejects when the host name can't be resolved", async () => {
  const dialer = createGrpcDialer({ endpoint: "nowhere.invalid:1", log });
  await assert.rejects(dialer.dial({ signal: AbortSignal.timeout(30_000) }), {
    code: "unavailable",
    message:
      "Cannot connect to nowhere.invalid:1: the host name can't be resolved",
  });
});

Deno.test("dial() rejects a server that does not speak TLS", async () => {
  await using plain = await startTcpServer("HTTP/1.1 400 Bad Request\r\n\r\n");
  await assert.rejects(dial(plain, {}), {
    code: "unavailable",
    message: /the server does not speak TLS$/,
  });
});

Deno.test("dial() rejects a server that does not speak HTTP/2", async () => {
  await using plain = await startTcpServer("HTTP/1.1 400 Bad Request\r\n\r\n");
  await assert.rejects(dial(plain, { insecure: true }), {
    code: "unavailable",
  });
});

Deno.test("dial() times out when the server never answers", async () => {
  await using plain = await startTcpServer(undefined);
  for (const insecure of [true, false]) {
    await assert.rejects(dial(plain, { insecure, connectTimeoutMs: 100 }), {
      code: "timed_out",
      message: /127\.0\.0\.1:\d+: no answer after 100 ms$/,
    });
  }
});

Deno.test("dial() rejects with the reason of its signal", async () => {
  await using plain = await startTcpServer(undefined);
  const stop = new AbortController();
  const dialling = createGrpcDialer({
    endpoint: `${HOST}:${plain.address.port}`,
    log,
  }).dial({ signal: stop.signal });
  stop.abort(new Error("stopped"));
  await assert.rejects(dialling, { message: "stopped" });
});

Deno.test("dial() connects to the end point in its options", async () => {
  const authority = await createAuthority({ name: "ca" });
  await using listener = await startListener({ authority });
  const dialer = createGrpcDialer({
    endpoint: "nowhere.invalid:1",
    ca: authority.cert,
    log,
  });
  const link = await dialer.dial({
    signal: AbortSignal.timeout(30_000),
    endpoint: `${HOST}:${listener.address.port}`,
  });
  link.close("done");
  await link.closed;
});

Deno.test("dial() returns a link whose packets may be longer than those that the listener sends", async () => {
  const authority = await createAuthority({ name: "ca" });
  await using listener = await startListener({ authority });
  const link = await dial(listener, {
    ca: authority.cert,
    maxPacketBytes: 500_000,
  });
  await link.send(new Uint8Array(500_000));
  const { value: incoming } = await listener.links[Symbol.asyncIterator]()
    .next();
  assert.ok(incoming);
  const first = await incoming.packets[Symbol.asyncIterator]().next();
  assert.equal(first.value?.length, 500_000);
  link.close("done");
  await Promise.all([link.closed, incoming.closed]);
});

Deno.test("createGrpcDialer() throws for end points and CAs that it can't read", () => {
  const valid = { endpoint: "a:1", log };
  assert.throws(() => createGrpcDialer({ ...valid, endpoint: "a" }), {
    code: "invalid",
  });
  for (
    const ca of [
      "",
      "nothing",
      "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
    ]
  ) {
    assert.throws(() => createGrpcDialer({ ...valid, ca }), {
      code: "invalid",
    });
  }
});

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
  }).dial({ signal: AbortSignal.timeout(5000) });
}

/** A scripted server: what it does with each connection is up to the test. */
async function startPlain(answer: string | undefined) {
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

Deno.test("dial() refuses a server of another CA and names who signed", async () => {
  const authority = await createAuthority({ name: "theirs" });
  const ours = await createAuthority({ name: "ours" });
  await using listener = await startListener({ authority });
  await assert.rejects(dial(listener, { ca: ours.cert }), {
    code: "unauthorized",
    message:
      `Cannot connect to 127.0.0.1:${listener.address.port}: its certificate (CN=operator) was not signed by the CA that this device knows but by "CN=theirs"`,
  });
});

Deno.test("dial() refuses another CA of the same name", async () => {
  const authority = await createAuthority({ name: "ca" });
  const twin = await createAuthority({ name: "ca" });
  await using listener = await startListener({ authority });
  await assert.rejects(dial(listener, { ca: twin.cert }), {
    code: "unauthorized",
    message: /was not signed by the CA that this device knows/,
  });
  // Nor does a clock in the past open the door to it.
  await assert.rejects(dial(listener, { ca: twin.cert, now: () => 0 }), {
    code: "unauthorized",
    message: /was not signed by the CA that this device knows/,
  });
});

Deno.test("dial() trusts no well-known CA less operator without its CA", async () => {
  const authority = await createAuthority({ name: "private" });
  await using listener = await startListener({ authority });
  await assert.rejects(dial(listener, {}), { code: "unauthorized" });
});

Deno.test("dial() takes one of several CAs", async () => {
  const authority = await createAuthority({ name: "new" });
  const old = await createAuthority({ name: "old" });
  await using listener = await startListener({ authority });
  const link = await dial(listener, { ca: old.cert + authority.cert });
  link.close("done");
  await link.closed;
});

Deno.test("dial() refuses a certificate of another name, and takes the name it is told", async () => {
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

Deno.test("dial() takes a certificate that is not valid yet, with a warning: this clock is wrong", async () => {
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

Deno.test("dial() refuses a certificate that has ended and says both times", async () => {
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
      /certificate "CN=operator" ended \d{4}-.*Z; this device's time is \d{4}-.*Z$/,
  });
});

Deno.test("dial() says when the connection is refused", async () => {
  const closed = await startPlain(undefined);
  await closed[Symbol.asyncDispose]();
  for (const insecure of [true, false]) {
    await assert.rejects(dial(closed, { insecure }), {
      code: "unavailable",
      message: /127\.0\.0\.1:\d+: the connection was refused$/,
    });
  }
});

Deno.test("dial() says when a name can't be resolved", async () => {
  const dialer = createGrpcDialer({ endpoint: "nowhere.invalid:1", log });
  await assert.rejects(dialer.dial({ signal: AbortSignal.timeout(9000) }), {
    code: "unavailable",
    message: "Cannot connect to nowhere.invalid:1: its name can't be resolved",
  });
});

Deno.test("dial() says when the other end speaks no TLS", async () => {
  await using plain = await startPlain("HTTP/1.1 400 Bad Request\r\n\r\n");
  await assert.rejects(dial(plain, {}), {
    code: "unavailable",
    message: /the other end does not speak TLS$/,
  });
});

Deno.test("dial() says when the other end speaks no HTTP/2", async () => {
  await using plain = await startPlain("HTTP/1.1 400 Bad Request\r\n\r\n");
  await assert.rejects(dial(plain, { insecure: true }), {
    code: "unavailable",
  });
});

Deno.test("dial() gives up on a server that stays silent", async () => {
  await using plain = await startPlain(undefined);
  for (const insecure of [true, false]) {
    await assert.rejects(dial(plain, { insecure, connectTimeoutMs: 100 }), {
      code: "timed_out",
      message: /127\.0\.0\.1:\d+: no answer after 100 ms$/,
    });
  }
});

Deno.test("dial() stops with its signal", async () => {
  await using plain = await startPlain(undefined);
  const stop = new AbortController();
  const dialling = createGrpcDialer({
    endpoint: `${HOST}:${plain.address.port}`,
    log,
  }).dial({ signal: stop.signal });
  stop.abort(new Error("changed my mind"));
  await assert.rejects(dialling, { message: "changed my mind" });
});

Deno.test("dial() goes to the end point it is told, e.g. after a redirect", async () => {
  const authority = await createAuthority({ name: "ca" });
  await using listener = await startListener({ authority });
  const dialer = createGrpcDialer({
    endpoint: "nowhere.invalid:1",
    ca: authority.cert,
    log,
  });
  const link = await dialer.dial({
    signal: AbortSignal.timeout(5000),
    endpoint: `${HOST}:${listener.address.port}`,
  });
  link.close("done");
  await link.closed;
});

Deno.test("dial() gives a link whose longer packets an end that sends shorter ones takes", async () => {
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

Deno.test("createGrpcDialer() refuses end points and CAs that it can't read", () => {
  const right = { endpoint: "a:1", log };
  assert.throws(() => createGrpcDialer({ ...right, endpoint: "a" }), {
    code: "invalid",
  });
  for (
    const ca of [
      "",
      "nothing",
      "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
    ]
  ) {
    assert.throws(() => createGrpcDialer({ ...right, ca }), {
      code: "invalid",
    });
  }
});

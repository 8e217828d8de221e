// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { until } from "../../../dev/base/wait.ts";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import {
  createKubeletServer,
  KubeletAuth,
} from "../../../lib/operator/kubelet/mod.ts";
import {
  KubeletRig,
  makeCertificates,
} from "../../../dev/world/kubelet_rig.ts";
import { LocalNode } from "../../../dev/world/local_node.ts";

Deno.test("KubeletServer.setTls() uses the new certificate for new connections", async () => {
  await using kubelet = await KubeletRig.start();
  const before = await kubelet.connect();
  assert.equal(before.getPeerCertificate().subject.CN, "serving");
  kubelet.server.setTls(kubelet.certificates.renewed);
  const after = await kubelet.connect();
  assert.equal(after.getPeerCertificate().subject.CN, "renewed");
  before.write("GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n");
  let text = "";
  before.on("data", (chunk) => text += chunk.toString());
  await until(() => text.includes("ok"), { what: "an answer on the old one" });
  assert.equal((await kubelet.request("/healthz")).status, 200);
});

Deno.test("KubeletServer.setTls() refuses a certificate that doesn't match its key and keeps the old one", async () => {
  await using kubelet = await KubeletRig.start();
  const { serving, renewed } = kubelet.certificates;
  assert.throws(
    () => kubelet.server.setTls({ cert: renewed.cert, key: serving.key }),
    { code: "invalid" },
  );
  assert.equal((await kubelet.request("/healthz")).status, 200);
});

Deno.test("KubeletServer.setTls() replaces the CAs of client certificates", async () => {
  await using kubelet = await KubeletRig.start();
  const { serving, serversCa, untrusted } = kubelet.certificates;
  kubelet.server.setTls({ ...serving, clientCa: serversCa });
  const statuses = await Promise.all([
    kubelet.request("/healthz"),
    kubelet.request("/healthz", { as: untrusted }),
  ]);
  assert.deepEqual(statuses.map(({ status }) => status), [401, 200]);
});

Deno.test("createKubeletServer() throws for a port that is taken and an address of another machine", async () => {
  await using kubelet = await KubeletRig.start();
  const { certificates } = kubelet;
  const start = (host: string, port: number) =>
    createKubeletServer({
      nodeName: "edge-2",
      handlers: new LocalNode(),
      tls: certificates.serving,
      clientCa: certificates.clientsCa,
      auth: new KubeletAuth({
        reviewToken: () => Promise.resolve(undefined),
        reviewAccess: () => Promise.resolve(false),
      }),
      log: SILENT_LOGGER,
      host,
      port,
    });
  const { port } = kubelet.server;
  await assert.rejects(start("127.0.0.1", port), {
    code: "conflict",
    message:
      `Cannot listen on 127.0.0.1:${port} for node "edge-2": the port is taken`,
  });
  await assert.rejects(start("192.0.2.1", 0), { code: "unavailable" });
});

for (
  const [what, bytes] of [
    ["nothing", ""],
    ["plain HTTP", "GET / HTTP/1.1\r\n\r\n"],
    ["garbage", "\x16\x03\x01\xff\xff garbage \0\0\0"],
    ["half a handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ] as const
) {
  Deno.test(`createKubeletServer() survives an unauthenticated client that sends ${what} and leaves`, async () => {
    await using kubelet = await KubeletRig.start();
    const socket = await knock(kubelet.server.port);
    await new Promise((resolve) => socket.write(bytes, resolve));
    socket.destroy();
    assert.equal((await kubelet.request("/healthz")).status, 200);
  });
}

for (
  const [what, bytes] of [
    ["garbage", "\0\x01\x02garbage\r\n\r\n"],
    ["half a request", "GET /healthz HTT"],
    ["a request without a path", "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n"],
    [
      "an upgrade without a path",
      "GET x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
    ],
    [
      "a header that is too long",
      `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
    ],
    [
      "half an upgrade",
      "POST /exec/default/web/app?command=cat&input=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
    ],
  ] as const
) {
  Deno.test(`createKubeletServer() survives a client that sends ${what} and leaves`, async () => {
    await using kubelet = await KubeletRig.start();
    const socket = await kubelet.connect();
    socket.on("error", () => {});
    await new Promise((resolve) => socket.write(bytes, resolve));
    socket.destroy();
    assert.equal((await kubelet.request("/healthz")).status, 200);
  });
}

Deno.test("KubeletServer.close() ends followed logs with a reason and idle connections, and may be called twice", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.node.tick = new Promise(() => {});
  await kubelet.connect();
  const socket = await kubelet.connect();
  let text = "";
  socket.on("data", (chunk) => text += chunk.toString());
  const path = "/containerLogs/default/web/app?follow=true";
  socket.write(`GET ${path} HTTP/1.1\r\nHost: node\r\n\r\n`);
  await until(() => text.includes("line 3"), { what: "the log" });
  const startedMs = performance.now();
  await Promise.all([
    kubelet.server.close("the operator ends"),
    kubelet.server.close(),
  ]);
  // Connections that stay open are closed by force after 4 s.
  assert.ok(performance.now() - startedMs < 3_950);
  await until(() => text.includes('node "edge-1": the operator ends\n'), {
    what: "the reason",
  });
  await assert.rejects(kubelet.request("/healthz"));
});

Deno.test("createKubeletServer() listens again on a port that was closed", async () => {
  const certificates = await makeCertificates();
  const first = await KubeletRig.start({ certificates });
  const { port } = first.server;
  await first.request("/healthz");
  await first[Symbol.asyncDispose]();
  await using again = await createKubeletServer({
    nodeName: "edge-1",
    handlers: new LocalNode(),
    tls: certificates.serving,
    clientCa: certificates.clientsCa,
    auth: new KubeletAuth({
      reviewToken: () => Promise.resolve(undefined),
      reviewAccess: () => Promise.resolve(true),
    }),
    log: SILENT_LOGGER,
    host: "127.0.0.1",
    port,
  });
  assert.equal(again.port, port);
});

function knock(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

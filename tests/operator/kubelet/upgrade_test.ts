// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { createServer, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { Apiserver } from "../../../dev/world/apiserver.ts";
import type { Kubectl } from "../../../dev/world/kubectl.ts";
import { makeCertificate } from "../../../dev/world/pki.ts";
import { until } from "../../../dev/base/wait.ts";
import {
  AranyaError,
  sha256Hex,
  SILENT_LOGGER,
} from "../../../lib/shared/base/mod.ts";
import { PendingSockets } from "../../../lib/shared/guard/mod.ts";
import {
  createKubeletServer,
  KubeletAuth,
} from "../../../lib/operator/kubelet/mod.ts";
import { SpdyClient } from "../streaming/_support/spdy_client.ts";
import { KubeletRig } from "../../../dev/world/kubelet_rig.ts";
import { LocalNode } from "../../../dev/world/local_node.ts";

const UPGRADE = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n";
const V4 = "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n";

/** Sends an upgrade request and gives the answer's head, and the socket for what follows. */
async function upgrade(
  kubelet: KubeletRig,
  path: string,
  headers: string = UPGRADE + V4,
): Promise<{ text: string; socket: TLSSocket }> {
  const socket = await kubelet.connect();
  socket.write(`POST ${path} HTTP/1.1\r\nHost: node\r\n${headers}\r\n`);
  let text = "";
  const collect = (chunk: Uint8Array) => {
    text += new TextDecoder().decode(chunk);
  };
  socket.on("data", collect);
  await until(() => text.includes("\r\n\r\n"), {
    what: "an answer",
    intervalMs: 2,
  });
  socket.off("data", collect);
  return { text, socket };
}

Deno.test("handleUpgrade() switches to SPDY, names the protocol and runs the command", async () => {
  await using kubelet = await KubeletRig.start();
  const { text, socket } = await upgrade(
    kubelet,
    "/exec/default/web/app?command=echo&command=hi+there&output=1",
  );
  assert.match(text, /^HTTP\/1.1 101 Switching Protocols\r\n/);
  assert.match(text, /\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n/);
  const client = new SpdyClient(socket);
  const error = client.open({ streamtype: "error" });
  const stdout = client.open({ streamtype: "stdout" });
  await client.until(() => client.ended);
  assert.equal(client.textOf(stdout), "hi there\n");
  assert.equal(JSON.parse(client.textOf(error)).status, "Success");
});

for (
  const [what, path, headers, status, body] of [
    [
      "no stream",
      "/exec/default/web/app?command=ls",
      UPGRADE + V4,
      400,
      /at least 1 of stdin/,
    ],
    [
      "no command",
      "/exec/default/web/app?output=1",
      UPGRADE + V4,
      400,
      /no command is given/,
    ],
    [
      "no protocol",
      "/exec/default/web/app?command=ls&output=1",
      UPGRADE,
      400,
      /^unable to upgrade: X-Stream-Protocol-Version is required$/,
    ],
    [
      "an unknown protocol",
      "/exec/default/web/app?command=ls&output=1",
      `${UPGRADE}X-Stream-Protocol-Version: v9\r\n`,
      403,
      /^unable to upgrade: unable to negotiate protocol/,
    ],
    [
      "WebSocket",
      "/exec/default/web/app?command=ls&output=1",
      "Connection: Upgrade\r\nUpgrade: websocket\r\n",
      400,
      /^unable to upgrade: protocol "websocket" is not served, expected SPDY\/3.1$/,
    ],
    ["an unknown path", "/nonsense", UPGRADE + V4, 404, /Page Not Found/],
    ["another path", "/pods", UPGRADE + V4, 405, /Method Not Allowed/],
    [
      "an unknown pod",
      "/exec/default/other/app?command=ls&output=1",
      UPGRADE + V4,
      404,
      /"reason":"NotFound"/,
    ],
    [
      "an unknown pod to forward",
      "/portForward/default/other",
      `${UPGRADE}X-Stream-Protocol-Version: portforward.k8s.io\r\n`,
      404,
      /"reason":"NotFound"/,
    ],
  ] as const
) {
  Deno.test(`handleUpgrade() answers ${what} with ${status}`, async () => {
    await using kubelet = await KubeletRig.start();
    const { text } = await upgrade(kubelet, path, headers);
    const [head = "", answer = ""] = text.split("\r\n\r\n");
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(head, /\r\nConnection: close$/m);
    assert.match(answer, body);
  });
}

Deno.test("handleUpgrade() answers 403 without the right", async () => {
  await using kubelet = await KubeletRig.start();
  kubelet.reviews.allow = () => false;
  const { text } = await upgrade(
    kubelet,
    "/exec/default/web/app?command=ls&output=1",
  );
  assert.match(text, /^HTTP\/1.1 403 Forbidden\r\n/);
  assert.equal(kubelet.node.running.commands, 0);
});

Deno.test("handleUpgrade() ends a command with a reason when the server closes", async () => {
  await using kubelet = await KubeletRig.start();
  const { socket } = await upgrade(
    kubelet,
    "/exec/default/web/app?command=sleep&command=60&output=1",
  );
  const client = new SpdyClient(socket);
  const error = client.open({ streamtype: "error" });
  client.open({ streamtype: "stdout" });
  await until(() => kubelet.node.running.commands === 1, { what: "a command" });
  const closing = kubelet.server.close("the operator ends");
  await client.until(() => client.ended);
  assert.match(client.textOf(error), /the operator ends/);
  socket.destroy();
  await closing;
  await until(() => kubelet.node.running.commands === 0, { what: "its end" });
});

/** A real API server that knows the local node and its pod. */
interface Cluster extends AsyncDisposable {
  kubectl: Kubectl;
  node: LocalNode;
}

async function startCluster(): Promise<Cluster> {
  const apiserver = await Apiserver.start();
  const { kubectl, keys, machine } = apiserver;
  const pair = await makeCertificate(machine.folder, keys.servers, {
    name: "node",
    commonName: "system:node:edge-1",
    names: ["IP:127.0.0.1"],
  });
  const node = new LocalNode();
  const server = await createKubeletServer({
    nodeName: "edge-1",
    handlers: node,
    tls: {
      cert: await Deno.readTextFile(pair.cert),
      key: await Deno.readTextFile(pair.key),
    },
    clientCa: await Deno.readTextFile(keys.clients.cert),
    auth: new KubeletAuth({
      reviewToken: () => Promise.resolve(undefined),
      reviewAccess: ({ user }) =>
        Promise.resolve(user.name === "kube-apiserver-kubelet-client"),
    }),
    log: SILENT_LOGGER,
    host: "127.0.0.1",
    port: 0,
  });
  await createObjects(kubectl, server.port);
  return {
    kubectl,
    node,
    async [Symbol.asyncDispose]() {
      await server.close();
      await apiserver[Symbol.asyncDispose]();
    },
  };
}

async function createObjects(kubectl: Kubectl, port: number): Promise<void> {
  const objects = [
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "edge-1" },
      status: {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    },
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "default", namespace: "default" },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "default" },
      spec: {
        nodeName: "edge-1",
        automountServiceAccountToken: false,
        containers: [{ name: "app", image: "none" }],
      },
    },
  ];
  for (const object of objects) {
    const stdin = JSON.stringify(object);
    await kubectl.run(["create", "-f", "-"], { stdin });
  }
  const status = JSON.stringify({ status: { phase: "Running" } });
  await kubectl.run([
    "patch",
    "pod",
    "web",
    "--subresource=status",
    `--patch=${status}`,
  ]);
}

Deno.test("kubectl on a kubelet server", async (test) => {
  await using cluster = await startCluster();
  const { kubectl, node } = cluster;

  await test.step("exec keeps the streams apart and returns the exit code", async () => {
    const script = "echo out; echo err >&2; exit 7";
    const result = await kubectl.tryRun([
      "exec",
      "web",
      "--",
      "sh",
      "-c",
      script,
    ]);
    assert.equal(result.code, 7);
    assert.equal(result.stdout, "out\n");
    assert.match(result.stderr, /^err\n/);
  });

  await test.step("exec -i carries bytes both ways and ends at EOF", async () => {
    const bytes = new Uint8Array(20 * 1024 * 1024);
    for (let at = 0; at < bytes.length; at += 65_536) {
      crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    }
    const args = ["exec", "-i", "web", "--", "cat"];
    const { code, stdoutBytes } = await kubectl.tryRun(args, { stdin: bytes });
    assert.equal(code, 0);
    assert.equal(await sha256Hex(stdoutBytes), await sha256Hex(bytes));
  });

  await test.step("exec reports why a program could not start", async () => {
    const { code, stderr } = await kubectl.tryRun([
      "exec",
      "web",
      "--",
      "nope",
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /ENOENT/);
  });

  await test.step("exec shows the sentence of a refusal", async () => {
    node.refusal = new AranyaError(
      "unavailable",
      'Cannot exec in container "app" of pod "default/web": device "edge-1" has been offline since 12:03:11Z',
    );
    const { code, stderr } = await kubectl.tryRun([
      "exec",
      "web",
      "--",
      "true",
    ]);
    const logs = await kubectl.tryRun(["logs", "web"]);
    node.refusal = undefined;
    assert.equal(code, 1);
    assert.match(stderr, /device "edge-1" has been offline since 12:03:11Z/);
    assert.match(logs.stderr, /device "edge-1" has been offline since/);
  });

  await test.step("a kubectl that is killed ends its command", async () => {
    {
      await using running = kubectl.start(["exec", "web", "--", "sleep", "60"]);
      void running;
      await until(() => node.running.commands === 1, { what: "a command" });
    }
    await until(() => node.running.commands === 0, { what: "its end" });
  });

  await test.step("cp carries a file there and back", async () => {
    const folder = await Deno.makeTempDir();
    const there = `${folder}/there`;
    await Deno.writeTextFile(`${folder}/file`, "content");
    await kubectl.run(["cp", `${folder}/file`, `web:${there}`]);
    await kubectl.run(["cp", `web:${there}`, `${folder}/back`]);
    assert.equal(await Deno.readTextFile(`${folder}/back`), "content");
    await Deno.remove(folder, { recursive: true });
  });

  await test.step("logs and logs -f", async () => {
    const log = await kubectl.run(["logs", "web", "--tail=2"]);
    assert.equal(log, "line 1\nline 2\n");
    const { promise, resolve } = Promise.withResolvers<void>();
    node.tick = promise;
    const following = kubectl.run(["logs", "-f", "web"]);
    await until(() => node.running.logs === 1, { what: "a reader" });
    resolve();
    assert.match(await following, /line 3\nlast line\n$/);
    await until(() => node.running.logs === 0, { what: "no reader" });
  });

  await test.step("attach joins with stdin and stdout", async () => {
    const args = ["attach", "-i", "web"];
    const { stdout } = await kubectl.tryRun(args, { stdin: "hello\n" });
    assert.match(stdout, /hello\n/);
  });

  await test.step("port-forward carries many connections, with half-close", async () => {
    await checkForward(kubectl);
    await until(() => node.running.ports === 0, { what: "no connection" });
  });
});

/** Returns the port of this machine that `kubectl port-forward` chose. */
async function readLocalPort(
  stdout: ReadableStream<Uint8Array>,
): Promise<number> {
  const reader = stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      text += decoder.decode(value);
      const [, port] = /127\.0\.0\.1:(\d+) ->/.exec(text) ?? [];
      if (port !== undefined) return Number(port);
      if (done) throw new Error(`Cannot find the local port: ${text}`);
    }
  } finally {
    reader.releaseLock();
  }
}

/** Each connection gets back, after its own EOF, what it sent. */
async function checkForward(kubectl: Kubectl): Promise<void> {
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    const chunks: Uint8Array[] = [];
    socket.on("data", (chunk) => chunks.push(chunk as Uint8Array));
    socket.on(
      "end",
      () => socket.end(new Uint8Array(chunks.flatMap((one) => [...one]))),
    );
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  const address = target.address();
  const port = typeof address === "object" && address ? address.port : 0;
  {
    await using running = kubectl.start([
      "port-forward",
      "pod/web",
      `:${port}`,
    ]);
    const local = await readLocalPort(running.child.stdout);
    const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
    const back = await Promise.all(texts.map((text) => exchange(local, text)));
    assert.deepEqual(back, texts);
  }
  await new Promise<void>((resolve) => target.close(() => resolve()));
}

async function exchange(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  await connection.write(new TextEncoder().encode(text));
  await connection.closeWrite();
  let back = "";
  const buffer = new Uint8Array(1024);
  for (
    let count = await connection.read(buffer);
    count !== null;
    count = await connection.read(buffer)
  ) {
    back += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return back;
}

/** Connects without a client certificate and asks for `cat` with a token. */
async function askWithToken(
  kubelet: KubeletRig,
  token: string,
): Promise<TLSSocket> {
  const socket = connectTls({
    host: "127.0.0.1",
    port: kubelet.server.port,
    ca: kubelet.certificates.serversCa,
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("secureConnect", resolve));
  socket.write(
    "POST /exec/default/web/app?command=cat&input=1&output=1 HTTP/1.1\r\n" +
      `Host: node\r\nAuthorization: Bearer ${token}\r\n${UPGRADE}${V4}\r\n`,
  );
  return socket;
}

/** Returns a view of the socket whose data begins behind the HTTP response's head. */
function withoutHead(socket: TLSSocket): Socket {
  const view = new EventEmitter();
  let head = "";
  socket.on("data", (chunk: Uint8Array) => {
    if (head.includes("\r\n\r\n")) return view.emit("data", chunk);
    const text = head + new TextDecoder("latin1").decode(chunk);
    const end = text.indexOf("\r\n\r\n") + 4;
    const rest = end < 4 ? 0 : text.length - end;
    head = text;
    if (rest > 0) view.emit("data", chunk.subarray(chunk.length - rest));
  });
  for (const event of ["end", "close"]) {
    socket.on(event, () => view.emit(event));
  }
  return Object.assign(view, {
    write: (bytes: Uint8Array) => socket.write(bytes),
  }) as unknown as Socket;
}

/** Writes until the socket takes no more, and returns how much it took. */
async function writeUntilStalled(
  socket: TLSSocket,
  maxBytes: number,
): Promise<number> {
  const chunk = new Uint8Array(1024 * 1024);
  const stalled = Symbol("stalled");
  for (let bytes = 0; bytes < maxBytes; bytes += chunk.length) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const outcome = await Promise.race([
      new Promise<void>((resolve) => socket.write(chunk, () => resolve())),
      new Promise<symbol>((resolve) => {
        timer = setTimeout(resolve, 1000, stalled);
      }),
    ]);
    clearTimeout(timer);
    if (outcome === stalled) return bytes;
  }
  return maxBytes;
}

Deno.test("handleUpgrade() no longer counts a client with access as pending", async () => {
  const pendingClients = new PendingSockets({
    maxCount: 8,
    timeoutMs: 60_000,
  });
  await using kubelet = await KubeletRig.start({ pendingClients });
  await kubelet.connect();
  assert.equal(pendingClients.count, 1);
  await upgrade(kubelet, "/exec/default/web/app?command=echo&output=1");
  assert.equal(pendingClients.count, 1);
});

Deno.test("handleUpgrade() reads nothing from the client before it has access", async () => {
  await using kubelet = await KubeletRig.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  kubelet.reviews.ready = promise;
  const socket = await askWithToken(kubelet, "made-up");
  const bytes = await writeUntilStalled(socket, 256 * 1024 * 1024);
  assert.ok(bytes < 64 * 1024 * 1024, `${bytes} bytes were taken`);
  let answer = "";
  socket.on("data", (chunk: Uint8Array) => {
    answer += new TextDecoder().decode(chunk);
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  resolve();
  await closed;
  assert.match(answer, /^HTTP\/1\.1 401 Unauthorized\r\n/);
});

Deno.test("handleUpgrade() passes on what the client sent before it had access", async () => {
  await using kubelet = await KubeletRig.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  kubelet.reviews.ready = promise;
  kubelet.reviews.users.set("right", { name: "bob", groups: [] });
  const socket = await askWithToken(kubelet, "right");
  const client = new SpdyClient(withoutHead(socket));
  client.open({ streamtype: "error" });
  const stdin = client.open({ streamtype: "stdin" });
  const stdout = client.open({ streamtype: "stdout" });
  client.data(stdin, "early", { fin: true });
  resolve();
  await client.until(() => client.ended);
  assert.equal(client.textOf(stdout), "early");
  socket.destroy();
});

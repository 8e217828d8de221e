// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { until } from "../../../dev/base/wait.ts";
import { fromUtf8, SILENT_LOGGER, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  createGrpcDialer,
  type GrpcDialerOptions,
  type GrpcListener,
  type GrpcListenerLimits,
  type Link,
  listenGrpc,
} from "../../../lib/shared/link/mod.ts";
import {
  createAuthority,
  issueServerCertificate,
} from "../../../lib/operator/pki/mod.ts";

const HOST = "127.0.0.1";
const log = SILENT_LOGGER;

async function mustIssue(names: { ips?: string[]; dnsNames?: string[] } = {}) {
  const authority = await createAuthority({ name: "test CA" });
  const tls = await issueServerCertificate({
    authority,
    commonName: "operator",
    ips: names.ips ?? [HOST],
    dnsNames: names.dnsNames ?? [],
  });
  return { authority, tls, ca: authority.cert };
}

interface Fixture extends AsyncDisposable {
  listener: GrpcListener;
  port: number;
  authority: { cert: string; key: string };
  dial(options?: Partial<GrpcDialerOptions>): Promise<Link>;
  /** Opens a link and returns both ends. */
  pair(): Promise<{ agent: Link; operator: Link }>;
}

async function startFixture(limits: GrpcListenerLimits = {}): Promise<Fixture> {
  const { authority, tls, ca } = await mustIssue();
  const listener = await listenGrpc({ host: HOST, port: 0, tls, log, limits });
  const { port } = listener.address;
  const links = listener.links[Symbol.asyncIterator]();
  const dial = (options: Partial<GrpcDialerOptions> = {}) =>
    createGrpcDialer({ endpoint: `${HOST}:${port}`, ca, log, ...options })
      .dial({ signal: AbortSignal.timeout(30_000) });
  return {
    listener,
    port,
    authority,
    dial,
    async pair() {
      const [agent, { value }] = await Promise.all([dial(), links.next()]);
      assert.ok(value);
      return { agent, operator: value };
    },
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

/** Sends bytes on a new TCP connection and resolves when the server closes it. */
function waitUntilClosed(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, HOST, () => socket.write(bytes));
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error("the server did not close the connection"));
    }, 30_000);
    socket.on("data", () => {});
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

Deno.test("listenGrpc() carries packets both ways, whole and in order", async () => {
  await using fixture = await startFixture();
  const { agent, operator } = await fixture.pair();
  const atOperator = operator.packets[Symbol.asyncIterator]();
  const atAgent = agent.packets[Symbol.asyncIterator]();
  const texts = ["", "a", "b".repeat(65_536), "c".repeat(40_000)];
  for (const text of texts) {
    void agent.send(utf8(text));
    void operator.send(utf8(text));
  }
  for (const text of texts) {
    assert.equal(fromUtf8((await atOperator.next()).value), text);
    assert.equal(fromUtf8((await atAgent.next()).value), text);
  }
  assert.match(operator.peer, /^127\.0\.0\.1:\d+$/);
  assert.equal(agent.peer, `127.0.0.1:${fixture.port}`);
});

Deno.test("Link.close() at either end ends both after what was sent before", async () => {
  for (const closer of ["agent", "operator"] as const) {
    await using fixture = await startFixture();
    const ends = await fixture.pair();
    const other = closer === "agent" ? ends.operator : ends.agent;
    await ends[closer].send(utf8("last packet"));
    ends[closer].close("done here");
    ends[closer].close("again");
    const texts: string[] = [];
    for await (const packet of other.packets) texts.push(fromUtf8(packet));
    assert.deepEqual(texts, ["last packet"]);
    assert.deepEqual(await ends[closer].closed, { reason: "done here" });
    assert.match((await other.closed).reason, /closed the link/);
    await assert.rejects(ends[closer].send(utf8("x")), { code: "unavailable" });
    await assert.rejects(other.send(utf8("x")), { code: "unavailable" });
  }
});

Deno.test("Link.send() rejects a packet above maxPacketBytes and keeps the link", async () => {
  await using fixture = await startFixture();
  const { agent, operator } = await fixture.pair();
  for (const link of [agent, operator]) {
    assert.equal(link.maxPacketBytes, 66_560);
    await assert.rejects(link.send(new Uint8Array(66_561)), {
      code: "too_large",
    });
  }
  await agent.send(utf8("still there"));
  const { value } = await operator.packets[Symbol.asyncIterator]().next();
  assert.equal(fromUtf8(value), "still there");
});

Deno.test("Link.send() waits while the other end does not read", async () => {
  await using fixture = await startFixture();
  const { agent, operator } = await fixture.pair();
  for (const [from, to] of [[agent, operator], [operator, agent]] as const) {
    const total = 400;
    let sentCount = 0;
    const sending = (async () => {
      for (; sentCount < total; sentCount++) {
        await from.send(new Uint8Array(32_768).fill(sentCount % 256));
      }
    })();
    let before = -1;
    await until(() => {
      const isStalled = sentCount > 0 && sentCount === before;
      before = sentCount;
      return isStalled;
    }, { what: "a stalled sender", intervalMs: 150 });
    assert.ok(sentCount < 200, `sent ${sentCount} packets without a reader`);
    let count = 0;
    for await (const packet of to.packets) {
      assert.equal(packet[0], count % 256);
      if (++count === total) break;
    }
    await sending;
    if (to === operator) {
      // The loop's `break` has closed this pair.
      await from.closed;
      break;
    }
  }
});

Deno.test("listenGrpc() ends the links of a connection that breaks", async () => {
  await using fixture = await startFixture();
  const proxied = startProxy(fixture.port);
  const ca = fixture.authority.cert;
  const dialling = createGrpcDialer({
    endpoint: `${HOST}:${proxied.port}`,
    ca,
    log,
  }).dial({ signal: AbortSignal.timeout(30_000) });
  const links = fixture.listener.links[Symbol.asyncIterator]();
  const [agent, { value: operator }] = await Promise.all([
    dialling,
    links.next(),
  ]);
  proxied.cut();
  assert.ok(operator);
  assert.ok((await operator.closed).reason);
  const end = await agent.closed;
  assert.equal(end.error?.code, "unavailable");
  await proxied.close();
});

/** Starts a TCP proxy whose connections can be cut. */
function startProxy(port: number) {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const sockets: Deno.Conn[] = [];
  const running = (async () => {
    for await (const inside of listener) {
      const outside = await Deno.connect({ hostname: HOST, port });
      sockets.push(inside, outside);
      void inside.readable.pipeTo(outside.writable).catch(() => {});
      void outside.readable.pipeTo(inside.writable).catch(() => {});
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    cut: () => {
      for (const socket of sockets) {
        try {
          socket.close();
        } catch {
          // It is closed already.
        }
      }
    },
    close: async () => {
      listener.close();
      await running;
    },
  };
}

Deno.test("listenGrpc() closes connections with garbage and serves others meanwhile", async () => {
  // Long enough for the link to be authenticated on a busy machine.
  await using fixture = await startFixture({ pendingTimeoutMs: 3_000 });
  const { agent, operator } = await fixture.pair();
  operator.markAuthenticated();
  const inputs = [
    "",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000",
    "\u0000".repeat(100_000),
  ];
  await Promise.all(
    inputs.map((text) =>
      waitUntilClosed(
        fixture.port,
        Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
      )
    ),
  );
  await agent.send(utf8("hello"));
  const { value } = await operator.packets[Symbol.asyncIterator]().next();
  assert.equal(fromUtf8(value), "hello");
});

Deno.test("listenGrpc() closes TLS connections without HTTP/2", async () => {
  await using fixture = await startFixture({ pendingTimeoutMs: 500 });
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (
    const text of [
      "",
      "GET / HTTP/1.1\r\n\r\n",
      preface + "\xff".repeat(500),
      preface + "\0\0\0\x04\0\0\0\0\0" + "\0\0\x04\x01\x05\0\0\0\x01garb",
    ]
  ) {
    await new Promise<void>((resolve) => {
      const socket = connectTls({
        port: fixture.port,
        host: HOST,
        rejectUnauthorized: false,
        ALPNProtocols: ["h2"],
      }, () => socket.write(text, "latin1"));
      socket.on("data", () => {});
      socket.on("error", () => {});
      // Under Deno a TLS client does not always end by itself after this.
      socket.on("end", () => socket.destroy());
      socket.on("close", () => resolve());
    });
  }
  await untilServed(fixture);
});

Deno.test("listenGrpc() refuses connections when too many have no link", async () => {
  await using fixture = await startFixture({ maxPendingConnections: 2 });
  const idle = await Promise.all(
    [1, 2].map(() => Deno.connect({ hostname: HOST, port: fixture.port })),
  );
  await waitUntilClosed(fixture.port, utf8(""));
  for (const socket of idle) socket.close();
  await untilServed(fixture);
});

async function untilServed(fixture: Fixture): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    try {
      (await fixture.dial()).close("served");
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
  }
}

Deno.test("listenGrpc() rejects when the port is taken, and names it", async () => {
  await using fixture = await startFixture();
  const { tls } = await mustIssue();
  await assert.rejects(
    listenGrpc({ host: HOST, port: fixture.port, tls, log }),
    {
      code: "conflict",
      message: `Cannot listen on 127.0.0.1:${fixture.port}: the port is taken`,
    },
  );
});

Deno.test("listenGrpc() rejects an address of another machine", async () => {
  const { tls } = await mustIssue();
  await assert.rejects(
    listenGrpc({ host: "192.0.2.1", port: 0, tls, log }),
    {
      code: "unavailable",
      message: /192\.0\.2\.1:0: the address doesn't belong to this machine$/,
    },
  );
});

Deno.test("listenGrpc() rejects a certificate with another key", async () => {
  const one = await mustIssue();
  const other = await mustIssue();
  const pairs = [
    { cert: one.tls.cert, key: other.tls.key },
    { cert: "x", key: "y" },
  ];
  for (const tls of pairs) {
    await assert.rejects(listenGrpc({ host: HOST, port: 0, tls, log }), {
      code: "invalid",
    });
  }
});

Deno.test("GrpcListener.setTls() changes the certificate for new connections and keeps open ones", async () => {
  await using fixture = await startFixture();
  const { agent, operator } = await fixture.pair();
  const fresh = await mustIssue();
  fixture.listener.setTls(fresh.tls);
  await assert.rejects(fixture.dial(), { code: "unauthorized" });
  (await fixture.dial({ ca: fresh.ca })).close("works");
  await agent.send(utf8("still up"));
  const { value } = await operator.packets[Symbol.asyncIterator]().next();
  assert.equal(fromUtf8(value), "still up");
  assert.throws(
    () => fixture.listener.setTls({ cert: "x", key: "y" }),
    { code: "invalid" },
  );
});

Deno.test("listenGrpc() uses plain text when insecure", async () => {
  await using listener = await listenGrpc({
    host: HOST,
    port: 0,
    tls: "insecure",
    log,
  });
  const link = await createGrpcDialer({
    endpoint: `${HOST}:${listener.address.port}`,
    insecure: true,
    log,
  }).dial({ signal: AbortSignal.timeout(30_000) });
  link.close("done");
  await link.closed;
});

Deno.test("GrpcListener ends its links and their iteration when it is disposed", async () => {
  const fixture = await startFixture();
  const { agent, operator } = await fixture.pair();
  await fixture[Symbol.asyncDispose]();
  assert.match(
    (await operator.closed).reason,
    /the operator stopped listening/,
  );
  await agent.closed;
  for await (const link of fixture.listener.links) assert.fail(link.peer);
  await assert.rejects(fixture.dial(), { code: "unavailable" });
});

/** Opens one HTTP/2 connection with calls that its client never ends. */
async function openCalls(port: number, count: number) {
  const session = connectHttp2(`http://${HOST}:${port}`);
  session.on("error", () => {});
  const ended = new Promise<void>((resolve) =>
    session.once("close", () => resolve())
  );
  await new Promise((resolve) => session.once("connect", resolve));
  const state = { closedCount: 0, isOpen: true };
  void ended.then(() => state.isOpen = false);
  const streams: { end(): void }[] = [];
  const request = () => {
    try {
      return session.request({
        ":method": "POST",
        ":path": "/aranya.v1.Link/Connect",
        "content-type": "application/grpc",
        te: "trailers",
      }, { endStream: false });
    } catch {
      // The server has sent GOAWAY, and the connection is not closed yet.
      state.isOpen = false;
      return undefined;
    }
  };
  const open = () => {
    const stream = request();
    if (!stream) return;
    stream.on("error", () => {});
    stream.on("close", () => state.closedCount++);
    stream.resume();
    streams.push(stream);
  };
  for (let index = 0; index < count; index++) open();
  return {
    state,
    open,
    ended,
    endCalls: () => streams.forEach((stream) => stream.end()),
    close: () => session.destroy(),
  };
}

async function listenInsecure(limits: GrpcListenerLimits = {}) {
  return await listenGrpc({
    host: HOST,
    port: 0,
    tls: "insecure",
    log,
    limits,
  });
}

/** Closes each link at once, as after a handshake that failed. */
async function refuseAll(listener: GrpcListener): Promise<void> {
  for await (const link of listener.links) link.close("refused");
}

Deno.test("listenGrpc() resets refused calls that the client never ends", async () => {
  await using listener = await listenInsecure();
  const serving = refuseAll(listener);
  const calls = await openCalls(listener.address.port, 10);
  await until(() => calls.state.closedCount === 10, "calls are reset");
  calls.close();
  await listener[Symbol.asyncDispose]();
  await serving;
});

Deno.test("listenGrpc() closes a connection after too many refused calls", async () => {
  await using listener = await listenInsecure();
  const serving = refuseAll(listener);
  const calls = await openCalls(listener.address.port, 10);
  const timer = setInterval(() => calls.state.isOpen && calls.open(), 5);
  await until(() => !calls.state.isOpen, "the connection is closed");
  clearInterval(timer);
  calls.close();
  await listener[Symbol.asyncDispose]();
  await serving;
});

Deno.test("listenGrpc() keeps a connection with an authenticated link whatever else fails on it", async () => {
  await using listener = await listenInsecure();
  const links = listener.links[Symbol.asyncIterator]();
  const calls = await openCalls(listener.address.port, 2);
  const { value: first } = await links.next();
  assert.ok(first);
  first.markAuthenticated();
  const { value: second } = await links.next();
  second?.close("refused");
  await until(() => calls.state.closedCount === 1, "the other call is reset");
  assert.equal(calls.state.isOpen, true);
  calls.close();
});

Deno.test("listenGrpc() closes a connection whose links are not authenticated in time", async () => {
  await using listener = await listenInsecure({ pendingTimeoutMs: 300 });
  const calls = await openCalls(listener.address.port, 2);
  await until(() => !calls.state.isOpen, "the connection is closed");
  calls.close();
});

Deno.test("listenGrpc() closes a connection some time after its last authenticated link has ended", async () => {
  await using listener = await listenInsecure({ idleTimeoutMs: 100 });
  const links = listener.links[Symbol.asyncIterator]();
  const calls = await openCalls(listener.address.port, 1);
  const { value: link } = await links.next();
  assert.ok(link);
  link.markAuthenticated();
  calls.endCalls();
  await until(() => calls.state.closedCount === 1, "the call has ended");
  await until(() => !calls.state.isOpen, "the connection is closed");
  calls.close();
});

Deno.test("listenGrpc() resets a silent call for a new one when a connection has too many", async () => {
  await using listener = await listenInsecure({ silentCallMs: 50 });
  const links = listener.links[Symbol.asyncIterator]();
  const calls = await openCalls(listener.address.port, 16);
  const silent: Link[] = [];
  while (silent.length < 16) {
    const { value } = await links.next();
    assert.ok(value);
    silent.push(value);
  }
  let accepted: Link | undefined;
  void links.next().then(({ value }) => accepted = value);
  const timer = setInterval(() => calls.open(), 50);
  await until(() => accepted !== undefined, "a new call is accepted");
  clearInterval(timer);
  assert.deepEqual(await silent[0]?.closed, {
    reason: "no handshake was begun while others were waiting",
  });
  assert.equal(calls.state.isOpen, true);
  calls.close();
});

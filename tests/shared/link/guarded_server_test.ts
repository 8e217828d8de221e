// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { connect } from "node:net";
import { Metadata } from "@grpc/grpc-js";
import {
  concatBytes,
  SILENT_LOGGER,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import {
  createGrpcDialer,
  type GrpcListener,
  listenGrpc,
} from "../../../lib/shared/link/mod.ts";
import {
  GuardedServer,
  type GuardedServerOptions,
  type ServerStream,
} from "../../../lib/shared/link/guarded_server.ts";

const HOST = "127.0.0.1";
const log = SILENT_LOGGER;

/** Frame types of HTTP/2, RFC 9113 section 6. */
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const END_HEADERS = 4;

/** Encodes a frame on stream 1, SETTINGS on stream 0. */
function frame(
  type: number,
  { flags = 0, body = new Uint8Array(0) }: {
    flags?: number;
    body?: Uint8Array;
  } = {},
): Uint8Array {
  const { length } = body;
  return concatBytes([
    Uint8Array.of(0, length >> 8, length & 255, type, flags),
    Uint8Array.of(0, 0, 0, type === SETTINGS ? 0 : 1),
    body,
  ]);
}

/** Encodes a request's HEADERS, every field as a literal (RFC 7541 section 6.2.2). */
function request(path: string, more: Record<string, string> = {}): Uint8Array {
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "x",
    te: "trailers",
    "content-type": "application/grpc",
    ...more,
  };
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    Uint8Array.of(0, name.length),
    utf8(name),
    Uint8Array.of(value.length),
    utf8(value),
  ]);
  return frame(HEADERS, { flags: END_HEADERS, body: concatBytes(parts) });
}

const START = concatBytes([
  utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(SETTINGS),
]);
const RESET = frame(RST_STREAM, { body: Uint8Array.of(0, 0, 0, 8) });
/** An invalid frame, which ends the whole connection. */
const INVALID = new Uint8Array(64).fill(0xff);
const CONNECT = "/aranya.v1.Link/Connect";

/** Sends frames on a new connection and closes it at the first answer. */
async function sendFrames(port: number, frames: Uint8Array[]): Promise<void> {
  const socket = connect(port, HOST);
  socket.on("error", () => {});
  socket.on("data", () => socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(concatBytes([START, ...frames]));
  await closed;
}

/** Checks that the listener still accepts a link. */
async function assertServing(listener: GrpcListener): Promise<void> {
  const link = await createGrpcDialer({
    endpoint: `${HOST}:${listener.address.port}`,
    insecure: true,
    log,
  }).dial({ signal: AbortSignal.timeout(30_000) });
  link.close("served");
  await link.closed;
}

Deno.test("GuardedServer survives requests that reset themselves", async () => {
  await using listener = await listenGrpc({
    host: HOST,
    port: 0,
    tls: "insecure",
    log,
  });
  const wrong = { "content-type": "text/plain" };
  const { port } = listener.address;
  for (const end of [RESET, INVALID]) {
    await sendFrames(port, [request(CONNECT, wrong), end]);
    await sendFrames(port, [request("/other"), end]);
    await sendFrames(port, [request(CONNECT), end]);
  }
  await assertServing(listener);
});

Deno.test("GuardedServer survives malformed bodies and headers", async () => {
  await using listener = await listenGrpc({
    host: HOST,
    port: 0,
    tls: "insecure",
    log,
  });
  const bodies = [
    [0, 0, 0, 0, 1, 7],
    [0, 255, 255, 255, 255, 7],
    [1, 0, 0, 0, 4, 1, 2, 3, 4],
    [0, 0, 0],
    Array(16_000).fill(0),
  ];
  const headers: Record<string, string>[] = [
    {},
    { "grpc-encoding": "gzip" },
    { "grpc-timeout": "banana" },
    { "grpc-timeout": "1m" },
  ];
  for (const body of bodies) {
    for (const more of headers) {
      await sendFrames(listener.address.port, [
        request(CONNECT, more),
        frame(DATA, { body: Uint8Array.from(body) }),
      ]);
    }
  }
  await assertServing(listener);
});

Deno.test("GuardedServer delivers a compressed message as it is", async () => {
  await using listener = await listenGrpc({
    host: HOST,
    port: 0,
    tls: "insecure",
    log,
  });
  const small = await new Response(
    new Blob([new Uint8Array(900_000)]).stream()
      .pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  const prefix = new Uint8Array(5);
  prefix[0] = 1;
  new DataView(prefix.buffer).setUint32(1, small.length);
  const socket = connect(listener.address.port, HOST);
  socket.on("error", () => {});
  socket.write(concatBytes([
    START,
    request(CONNECT, { "grpc-encoding": "gzip" }),
    frame(DATA, { body: concatBytes([prefix, small]) }),
  ]));
  const { value: link } = await listener.links[Symbol.asyncIterator]().next();
  assert.ok(link);
  const { value } = await link.packets[Symbol.asyncIterator]().next();
  assert.equal(value.length, small.length);
  socket.destroy();
});

/** Creates a server that does not listen; unless `onError` is given, an error fails the test. */
function createGuarded(
  options: Pick<GuardedServerOptions, "admit"> & Partial<GuardedServerOptions>,
): GuardedServer {
  return new GuardedServer({}, {
    onError: (error) => assert.fail(String(error)),
    windowBytes: 65_536,
    ...options,
  });
}

/** Passes a stream to the server as the library's HTTP/2 server does. */
function receiveStream(
  { grpc }: GuardedServer,
  stream: {
    close?: (code: number) => void;
    respond?: () => void;
    session?: { socket: { destroyed: boolean }; destroy: () => void };
  },
): void {
  Reflect.get(grpc, "_streamHandler").call(grpc, [], {
    on() {},
    once() {},
    ...stream,
  }, {});
}

Deno.test("GuardedServer refuses a stream that is not admitted", () => {
  const server = createGuarded({ admit: () => false });
  const codes: number[] = [];
  receiveStream(server, { close: (code) => void codes.push(code) });
  assert.deepEqual(codes, [7]);
  server.grpc.forceShutdown();
});

Deno.test("GuardedServer ends the session of a connection that was destroyed", () => {
  const server = createGuarded({ admit: () => false });
  const calls: string[] = [];
  for (const destroyed of [false, true]) {
    receiveStream(server, {
      close: (code) => void calls.push(`close ${code}`),
      session: {
        socket: { destroyed },
        destroy: () => void calls.push("destroy"),
      },
    });
  }
  assert.deepEqual(calls, ["close 7", "destroy"]);
  server.grpc.forceShutdown();
});

Deno.test("GuardedServer reports what the library throws about a stream", () => {
  const errors: unknown[] = [];
  const server = createGuarded({
    admit: () => true,
    onError: (error) => void errors.push(error),
  });
  const error = new Error("the stream is closed");
  receiveStream(server, {
    respond: () => {
      throw error;
    },
  });
  assert.deepEqual(errors, [error]);
  server.grpc.forceShutdown();
});

Deno.test("GuardedServer drops a stream that has ended, and calls each of its listeners once", () => {
  const admitted: ServerStream[] = [];
  const server = createGuarded({
    admit: (stream) => admitted.push(stream) > 0,
  });
  const stream = Object.assign(new EventEmitter(), {
    closed: false,
    destroyed: false,
    respond() {},
  });
  const headers: Record<string, string> = {};
  Reflect.get(server.grpc, "_streamHandler")
    .call(server.grpc, [], stream, headers);
  const metadata = Metadata.fromHttp2Headers(headers);
  const found = server.findStream(metadata);
  assert.ok(found);
  assert.equal(found, admitted[0]);
  const ends: string[] = [];
  found.onClosed(() => void ends.push("open"));
  stream.closed = true;
  found.onClosed(() => void ends.push("closing"));
  assert.equal(ends.length, 0);
  stream.destroyed = true;
  stream.emit("close");
  assert.equal(ends.join(), "open,closing");
  found.onClosed(() => void ends.push("ended"));
  assert.equal(ends.join(), "open,closing,ended");
  assert.equal(server.findStream(metadata), undefined);
  server.grpc.forceShutdown();
});

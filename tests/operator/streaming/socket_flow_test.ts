// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { until } from "../../../dev/base/wait.ts";
import {
  pauseReading,
  ReadThrottle,
  resumeReading,
} from "../../../lib/operator/streaming/socket_flow.ts";
import { makeCertificates } from "../../../dev/world/kubelet_rig.ts";
import { openSocketPair, type SocketPair } from "./_support/spdy_client.ts";

const MANY_BYTES = 64 * 1024 * 1024;

/** Opens a TLS connection over loopback. */
async function openTlsPair(): Promise<SocketPair> {
  const { serving, serversCa } = await makeCertificates();
  const listener = createServer({ ...serving });
  const accepted = new Promise<TLSSocket>((resolve) =>
    listener.once("secureConnection", resolve)
  );
  await new Promise<void>((resolve) =>
    listener.listen(0, "127.0.0.1", () => resolve())
  );
  const address = listener.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const client = connect({ host: "127.0.0.1", port, ca: serversCa });
  const server = await accepted;
  for (const socket of [client, server]) socket.on("error", () => {});
  const stopped = new Promise<void>((resolve) =>
    listener.close(() => resolve())
  );
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [client, server].map((socket) =>
          new Promise<void>((resolve) => {
            if (socket.closed) return resolve();
            socket.once("close", () => resolve());
            socket.destroy();
          })
        ),
      );
      await stopped;
    },
  };
}

/** Writes until `totalBytes` are flushed, and counts them. */
function writeMany(socket: Socket, totalBytes: number) {
  const counts = { flushedBytes: 0 };
  const chunk = new Uint8Array(1024 * 1024).fill(7);
  const next = () => {
    if (counts.flushedBytes >= totalBytes || socket.destroyed) return;
    socket.write(chunk, (error) => {
      if (error) return;
      counts.flushedBytes += chunk.length;
      next();
    });
  };
  next();
  return counts;
}

for (
  const [kind, makePair] of [["TCP", openSocketPair], [
    "TLS",
    openTlsPair,
  ]] as const
) {
  Deno.test(`pauseReading() blocks the sender of a ${kind} connection until resumeReading()`, async () => {
    await using pair = await makePair();
    let receivedBytes = 0;
    let wrongCount = 0;
    pair.server.on("data", (chunk) => {
      if (receivedBytes === 0) pauseReading(pair.server);
      receivedBytes += chunk.length;
      if ((chunk as Uint8Array).some((byte) => byte !== 7)) wrongCount++;
    });
    const sent = writeMany(pair.client, MANY_BYTES);
    let before = -1;
    await until(() => {
      const isBlocked = sent.flushedBytes === before && receivedBytes > 0;
      before = sent.flushedBytes;
      return isBlocked;
    }, { what: "a blocked sender", intervalMs: 150 });
    assert.ok(
      sent.flushedBytes < MANY_BYTES / 2,
      `${sent.flushedBytes} bytes were flushed`,
    );
    resumeReading(pair.server);
    await until(() => receivedBytes === MANY_BYTES, { what: "all bytes" });
    assert.equal(wrongCount, 0);
  });
}

Deno.test("resumeReading() of a destroyed socket delivers nothing, and no error", async () => {
  await using pair = await openTlsPair();
  const { server, client } = pair;
  const seen: unknown[] = [];
  server.on("error", (error) => seen.push(error));
  client.on("error", () => {});
  const flowed = new Promise((resolve) => server.once("data", resolve));
  client.write("before");
  await flowed;
  server.on("data", (chunk) => seen.push(chunk));
  const closed = new Promise((resolve) => server.once("close", resolve));
  pauseReading(server);
  client.write("unread");
  server.destroy();
  assert.doesNotThrow(() => pauseReading(server));
  assert.doesNotThrow(() => resumeReading(server));
  await closed;
  assert.deepEqual(seen, []);
});

Deno.test("ReadThrottle pauses above 1 MiB unread, and resumes at half of it", async () => {
  await using pair = await openSocketPair();
  const { server } = pair;
  server.resume();
  const throttle = new ReadThrottle(server);
  const add = (byteCount: number) => {
    throttle.add(byteCount);
    throttle.pauseIfFull();
    return [throttle.isPaused, server.isPaused()];
  };
  const remove = (byteCount: number) => {
    throttle.remove(byteCount);
    return [throttle.isPaused, server.isPaused()];
  };
  assert.deepEqual(add(1024 * 1024), [false, false]);
  assert.deepEqual(add(1), [true, true]);
  assert.deepEqual(remove(512 * 1024), [true, true]);
  assert.deepEqual(remove(1), [false, false]);
  assert.deepEqual(add(512 * 1024), [false, false]);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { until } from "../../../dev/base/wait.ts";
import {
  pauseReading,
  resumeReading,
} from "../../../lib/operator/streaming/socket_flow.ts";
import { makeCertificates } from "../../../dev/world/kubelet_rig.ts";
import { makeSocketPair, type SocketPair } from "./_support/spdy_client.ts";

const MANY_BYTES = 64 * 1024 * 1024;

/** Both ends of one TLS connection over loopback. */
async function makeTlsPair(): Promise<SocketPair> {
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

/** Sends until all is taken or the socket takes nothing more, and counts what it has taken. */
function pour(socket: Socket, totalBytes: number) {
  const counts = { taken: 0 };
  const chunk = new Uint8Array(1024 * 1024).fill(7);
  const next = () => {
    if (counts.taken >= totalBytes || socket.destroyed) return;
    socket.write(chunk, (error) => {
      if (error) return;
      counts.taken += chunk.length;
      next();
    });
  };
  next();
  return counts;
}

for (
  const [kind, makePair] of [["TCP", makeSocketPair], [
    "TLS",
    makeTlsPair,
  ]] as const
) {
  Deno.test(`pauseReading() holds the sender of a ${kind} connection back, and resumeReading() lets it go on`, async () => {
    await using pair = await makePair();
    let got = 0;
    let wrong = 0;
    pair.server.on("data", (chunk) => {
      if (got === 0) pauseReading(pair.server);
      got += chunk.length;
      if ((chunk as Uint8Array).some((byte) => byte !== 7)) wrong++;
    });
    const sent = pour(pair.client, MANY_BYTES);
    let before = -1;
    await until(() => {
      const stands = sent.taken === before && got > 0;
      before = sent.taken;
      return stands;
    }, { what: "a sender that waits", intervalMs: 150 });
    assert.ok(sent.taken < MANY_BYTES / 2, `${sent.taken} bytes were taken`);
    resumeReading(pair.server);
    await until(() => got === MANY_BYTES, { what: "all bytes" });
    assert.equal(wrong, 0);
  });
}

Deno.test("resumeReading() does nothing on a socket that is destroyed", async () => {
  await using pair = await makeTlsPair();
  pair.server.destroy();
  pauseReading(pair.server);
  resumeReading(pair.server);
});

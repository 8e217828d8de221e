// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { dial } from "../../../lib/agent/pods/dial.ts";

/** Runs `work` beside a server that accepts connections and sends nothing. */
async function withServer(work: (port: number) => Promise<void>) {
  const server = createServer((socket) => void socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  try {
    await work(address.port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  return address.port;
}

Deno.test("dial() connects, and fails when nothing listens", async () => {
  const { signal } = new AbortController();
  const port = await withServer(async (port) => {
    const socket = await dial({ host: "127.0.0.1", port, signal });
    socket.destroy();
  });
  await assert.rejects(dial({ host: "127.0.0.1", port, signal }), {
    code: "ECONNREFUSED",
  });
});

Deno.test("dial() rejects with the signal's reason when a TLS handshake hangs", async () => {
  await withServer(async (port) => {
    const controller = new AbortController();
    const dialing = dial({
      host: "127.0.0.1",
      port,
      tls: true,
      signal: controller.signal,
    });
    controller.abort(new Error("enough"));
    await assert.rejects(dialing, /enough/);
  });
});

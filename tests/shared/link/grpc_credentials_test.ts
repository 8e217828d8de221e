// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer, Socket } from "node:net";
import { SILENT_LOGGER } from "../../../lib/shared/base/mod.ts";
import { DialCredentials } from "../../../lib/shared/link/grpc_credentials.ts";

const OPTIONS = {
  action: "Cannot connect to a:1",
  serverName: "a",
  ca: undefined,
  insecure: true,
  log: SILENT_LOGGER,
  now: Date.now,
};

Deno.test("DialCredentials uses a plain socket when insecure, and destroys it", async () => {
  const credentials = new DialCredentials(OPTIONS);
  assert.equal(credentials._isSecure(), false);
  const socket = new Socket();
  const connector = credentials._createSecureConnector();
  const connected = await connector.connect(socket);
  assert.equal(connected.socket, socket);
  assert.equal(connected.secure, false);
  credentials.destroy();
  assert.equal(socket.destroyed, true);
});

Deno.test("DialCredentials destroys a socket that comes after destroy()", async () => {
  const credentials = new DialCredentials(OPTIONS);
  credentials.destroy();
  const socket = new Socket();
  await assert.rejects(
    credentials._createSecureConnector().connect(socket),
    /the dial was cancelled/,
  );
  assert.equal(socket.destroyed, true);
});

Deno.test("DialCredentials.failure explains why TLS failed", async () => {
  const server = createServer((socket) =>
    socket.once("data", () => socket.end("nonsense\r\n"))
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const socket = new Socket();
  await new Promise<void>((resolve) =>
    socket.connect(address.port, "127.0.0.1", resolve)
  );
  const credentials = new DialCredentials({ ...OPTIONS, insecure: false });
  await assert.rejects(
    credentials._createSecureConnector().connect(socket),
    { code: "unavailable" },
  );
  assert.match(
    credentials.failure?.message ?? "",
    /^Cannot connect to a:1: the server does not speak TLS$/,
  );
  await new Promise((resolve) => server.close(resolve));
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import {
  type ConnectionsOptions,
  createConnections,
} from "../../../lib/shared/link/sockets.ts";

/** As much of a socket as the registry uses. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = "10.0.0.1";
  readonly remotePort: number;
  destroyed = false;
  constructor(remotePort: number) {
    super();
    this.remotePort = remotePort;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

function setUp(options: Partial<ConnectionsOptions> = {}) {
  let refusedCount = 0;
  const connections = createConnections({
    maxCount: 3,
    maxPendingCount: 2,
    pendingTimeoutMs: 60_000,
    onRefused: () => void refusedCount++,
    ...options,
  });
  const add = (port: number) => {
    const socket = new FakeSocket(port);
    return { socket, added: connections.add(socket as unknown as Socket) };
  };
  return { connections, add, refused: () => refusedCount };
}

Deno.test("createConnections() turns away what is above its bounds", () => {
  const { connections, add, refused } = setUp();
  assert.ok(add(1).added && add(2).added);
  // Too many without a link; with one there is room again, up to the whole.
  assert.equal(add(3).added, false);
  connections.enter("10.0.0.1:1");
  assert.ok(add(4).added);
  connections.enter("10.0.0.1:2");
  assert.equal(add(5).added, false);
  assert.deepEqual([connections.count, refused()], [3, 2]);
  connections.destroyAll();
  assert.equal(connections.count, 0);
});

Deno.test("createConnections() throws out a connection that opens no link in time", async () => {
  const { connections, add } = setUp({ pendingTimeoutMs: 20 });
  const { socket: idle } = add(1);
  const { socket: used } = add(2);
  connections.enter("10.0.0.1:2");
  await new Promise((resolve) => idle.once("close", resolve));
  assert.deepEqual([idle.destroyed, used.destroyed], [true, false]);
  connections.destroyAll();
});

Deno.test("destroyIfAlone() spares a connection that carries other links", () => {
  const { connections, add } = setUp();
  const { socket } = add(1);
  const leave = connections.enter("10.0.0.1:1");
  connections.enter("10.0.0.1:1");
  connections.destroyIfAlone("10.0.0.1:1");
  assert.equal(socket.destroyed, false);
  leave();
  leave();
  connections.destroyIfAlone("10.0.0.1:1");
  assert.equal(socket.destroyed, true);
  connections.destroyIfAlone("10.0.0.1:1");
  connections.enter("nobody")();
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import {
  SocketRegistry,
  type SocketRegistryOptions,
} from "../../../lib/shared/link/socket_registry.ts";

/** The part of a socket that the registry uses. */
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

function setUp(options: Partial<SocketRegistryOptions> = {}) {
  let refusedCount = 0;
  const sockets = new SocketRegistry({
    maxCount: 3,
    maxPendingCount: 2,
    pendingTimeoutMs: 60_000,
    onRefused: () => void refusedCount++,
    ...options,
  });
  const add = (port: number) => {
    const socket = new FakeSocket(port);
    return { socket, added: sockets.add(socket as unknown as Socket) };
  };
  return { sockets, add, refused: () => refusedCount };
}

Deno.test("SocketRegistry.add() refuses sockets above its limits", () => {
  const { sockets, add, refused } = setUp();
  assert.ok(add(1).added && add(2).added);
  // A pending socket counts for both limits, one with a link only for `maxCount`.
  assert.equal(add(3).added, false);
  sockets.addLink("10.0.0.1:1");
  assert.ok(add(4).added);
  sockets.addLink("10.0.0.1:2");
  assert.equal(add(5).added, false);
  assert.deepEqual([sockets.count, refused()], [3, 2]);
  sockets.destroyAll();
  assert.equal(sockets.count, 0);
});

Deno.test("SocketRegistry destroys a socket that has no link in time", async () => {
  const { sockets, add } = setUp({ pendingTimeoutMs: 20 });
  const { socket: idle } = add(1);
  const { socket: used } = add(2);
  sockets.addLink("10.0.0.1:2");
  await new Promise((resolve) => idle.once("close", resolve));
  assert.deepEqual([idle.destroyed, used.destroyed], [true, false]);
  sockets.destroyAll();
});

Deno.test("SocketRegistry.destroyUnlessShared() keeps a socket that carries other links", () => {
  const { sockets, add } = setUp();
  const { socket } = add(1);
  const link = sockets.addLink("10.0.0.1:1");
  sockets.addLink("10.0.0.1:1");
  sockets.destroyUnlessShared("10.0.0.1:1");
  assert.equal(socket.destroyed, false);
  link[Symbol.dispose]();
  link[Symbol.dispose]();
  sockets.destroyUnlessShared("10.0.0.1:1");
  assert.equal(socket.destroyed, true);
  sockets.destroyUnlessShared("10.0.0.1:1");
  sockets.addLink("unknown:1")[Symbol.dispose]();
});

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
  readonly remoteAddress: string;
  readonly remotePort: number;
  destroyed = false;
  constructor(remotePort: number, remoteAddress: string) {
    super();
    this.remotePort = remotePort;
    this.remoteAddress = remoteAddress;
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
  const add = (port: number, address = "10.0.0.1") => {
    const socket = new FakeSocket(port, address);
    return { socket, added: sockets.add(socket as unknown as Socket) };
  };
  return { sockets, add, refused: () => refusedCount };
}

Deno.test("SocketRegistry.add() refuses sockets above its limits", () => {
  const { sockets, add, refused } = setUp();
  assert.ok(add(1).added && add(2).added);
  // A pending socket counts for both limits, one with an agent only for `maxCount`.
  assert.equal(add(3).added, false);
  sockets.addCall("10.0.0.1:1")?.markAuthenticated();
  assert.ok(add(4).added);
  sockets.addCall("10.0.0.1:2")?.markAuthenticated();
  assert.equal(add(5).added, false);
  assert.deepEqual([sockets.count, refused()], [3, 2]);
  sockets.destroyAll();
  assert.equal(sockets.count, 0);
});

Deno.test("SocketRegistry.add() takes the place of a network with many pending sockets", () => {
  const { sockets, add } = setUp({ maxCount: 10, maxPendingCount: 3 });
  const attackers = [1, 2, 3].map((port) => add(port).socket);
  assert.ok(add(4, "10.0.0.2").added);
  assert.deepEqual(attackers.map((each) => each.destroyed), [
    true,
    false,
    false,
  ]);
  assert.equal(add(5).added, false);
  sockets.destroyAll();
});

Deno.test("SocketRegistry destroys a socket on which no agent is authenticated in time", async () => {
  const { sockets, add } = setUp({ pendingTimeoutMs: 20 });
  const { socket: silent } = add(1);
  const { socket: used } = add(2);
  assert.ok(sockets.addCall("10.0.0.1:1"));
  sockets.addCall("10.0.0.1:2")?.markAuthenticated();
  await new Promise((resolve) => silent.once("close", resolve));
  assert.deepEqual([silent.destroyed, used.destroyed], [true, false]);
  sockets.destroyAll();
});

Deno.test("SocketRegistry.addCall() refuses the 17th call of a pending socket, and the 257th unauthenticated one of another", () => {
  const { sockets, add, refused } = setUp();
  add(1);
  const openAll = () => {
    let count = 0;
    while (sockets.addCall("10.0.0.1:1")) count++;
    return count;
  };
  const first = sockets.addCall("10.0.0.1:1");
  assert.equal(openAll(), 15);
  first?.markAuthenticated();
  assert.equal(openAll(), 256 - 15);
  assert.equal(refused(), 2);
  assert.equal(sockets.addCall("unknown:1"), undefined);
  sockets.destroyAll();
});

Deno.test("SocketRegistry destroys a pending socket after 64 calls without authentication", () => {
  const { sockets, add } = setUp();
  const { socket } = add(1);
  for (let count = 0; count < 63; count++) {
    sockets.addCall("10.0.0.1:1")?.[Symbol.dispose]();
  }
  assert.equal(socket.destroyed, false);
  sockets.addCall("10.0.0.1:1")?.[Symbol.dispose]();
  assert.equal(socket.destroyed, true);
});

Deno.test("SocketRegistry destroys a pending socket after 1024 refused calls", () => {
  const { sockets, add } = setUp();
  const { socket } = add(1);
  for (let count = 0; count < 16 + 1023; count++) {
    sockets.addCall("10.0.0.1:1");
  }
  assert.equal(socket.destroyed, false);
  sockets.addCall("10.0.0.1:1");
  assert.equal(socket.destroyed, true);
});

Deno.test("SocketRegistry keeps a socket with an authenticated call, whatever other calls do", () => {
  const { sockets, add } = setUp();
  const { socket } = add(1);
  sockets.addCall("10.0.0.1:1")?.markAuthenticated();
  for (let count = 0; count < 200; count++) {
    sockets.addCall("10.0.0.1:1")?.[Symbol.dispose]();
  }
  assert.equal(socket.destroyed, false);
  sockets.destroyAll();
});

Deno.test("SocketRegistry.destroyUnlessShared() keeps a socket that carries other calls", () => {
  const { sockets, add } = setUp();
  const { socket } = add(1);
  const call = sockets.addCall("10.0.0.1:1");
  sockets.addCall("10.0.0.1:1");
  assert.equal(sockets.destroyUnlessShared("10.0.0.1:1"), false);
  assert.equal(socket.destroyed, false);
  call?.[Symbol.dispose]();
  call?.[Symbol.dispose]();
  assert.equal(sockets.destroyUnlessShared("10.0.0.1:1"), true);
  assert.equal(socket.destroyed, true);
  assert.equal(sockets.destroyUnlessShared("10.0.0.1:1"), false);
});

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
    idleTimeoutMs: 60_000,
    silentCallMs: 60_000,
    onRefused: () => void refusedCount++,
    ...options,
  });
  const add = (port: number, address = "10.0.0.1") => {
    const socket = new FakeSocket(port, address);
    return { socket, added: sockets.add(socket as unknown as Socket) };
  };
  return { sockets, add, refused: () => refusedCount };
}

function waitForClose(socket: FakeSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error("the socket is still open")),
      30_000,
    );
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Opens so many calls on one socket; `evicted` gets the index of each that is evicted. */
function fill(sockets: SocketRegistry, count: number) {
  const evicted: number[] = [];
  const calls = Array.from({ length: count }, (_, index) => {
    const call = sockets.addCall("10.0.0.1:1", {
      onEvicted: () => evicted.push(index),
    });
    assert.ok(call, `call ${index}`);
    return call;
  });
  return { calls, evicted };
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

Deno.test("SocketRegistry.add() takes the slot of a network with many pending sockets", () => {
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

Deno.test("SocketRegistry destroys a socket some time after its last authenticated call has ended", async () => {
  const { sockets, add, refused } = setUp({ idleTimeoutMs: 20 });
  const { socket: left } = add(1);
  const { socket: used } = add(2);
  sockets.addCall("10.0.0.1:2")?.markAuthenticated();
  for (const port of [1, 2]) {
    const call = sockets.addCall(`10.0.0.1:${port}`);
    call?.markAuthenticated();
    call?.[Symbol.dispose]();
  }
  assert.equal(left.destroyed, false);
  await waitForClose(left);
  assert.deepEqual([used.destroyed, refused()], [false, 0]);
  sockets.destroyAll();
});

Deno.test("SocketRegistry keeps a socket whose next call is authenticated in time", async () => {
  const { sockets, add } = setUp({ idleTimeoutMs: 20 });
  const { socket: again } = add(1);
  const { socket: left } = add(2);
  for (const port of [1, 2]) {
    const call = sockets.addCall(`10.0.0.1:${port}`);
    call?.markAuthenticated();
    call?.[Symbol.dispose]();
  }
  sockets.addCall("10.0.0.1:1")?.markAuthenticated();
  await waitForClose(left);
  assert.equal(again.destroyed, false);
  sockets.destroyAll();
});

Deno.test("SocketRegistry counts a socket as pending again while only unauthenticated calls are left", async () => {
  const { sockets, add } = setUp({ idleTimeoutMs: 10, pendingTimeoutMs: 1000 });
  const { socket } = add(1);
  const first = sockets.addCall("10.0.0.1:1");
  first?.markAuthenticated();
  // Failures of the time with an agent don't count.
  for (let count = 0; count < 200; count++) {
    sockets.addCall("10.0.0.1:1")?.[Symbol.dispose]();
  }
  assert.ok(sockets.addCall("10.0.0.1:1"));
  first?.[Symbol.dispose]();
  const { socket: idle } = add(2);
  const call = sockets.addCall("10.0.0.1:2");
  call?.markAuthenticated();
  call?.[Symbol.dispose]();
  await waitForClose(idle);
  assert.equal(socket.destroyed, false);
  sockets.addCall("10.0.0.1:1")?.[Symbol.dispose]();
  assert.equal(socket.destroyed, false);
  await waitForClose(socket);
});

Deno.test("SocketRegistry adds no listeners to a socket that is pending many times", async () => {
  const { sockets, add } = setUp({ idleTimeoutMs: 1 });
  const { socket } = add(1);
  const counts = () =>
    ["close", "error"].map((event) => socket.listenerCount(event));
  const before = counts();
  sockets.addCall("10.0.0.1:1");
  for (let round = 0; round < 3; round++) {
    const call = sockets.addCall("10.0.0.1:1");
    call?.markAuthenticated();
    call?.[Symbol.dispose]();
    const { socket: idle } = add(10 + round);
    const other = sockets.addCall(`10.0.0.1:${10 + round}`);
    other?.markAuthenticated();
    other?.[Symbol.dispose]();
    await waitForClose(idle);
    assert.deepEqual(counts(), before);
  }
  sockets.destroyAll();
});

Deno.test("SocketRegistry.addCall() evicts the oldest silent call when there are too many", () => {
  const { sockets, add, refused } = setUp({ silentCallMs: 0 });
  const { socket } = add(1);
  const { calls, evicted } = fill(sockets, 16);
  // Not for their age alone: the device may be slow.
  assert.deepEqual(evicted, []);
  calls[0]?.markActive();
  for (const expected of [[1], [1, 2]]) {
    assert.ok(sockets.addCall("10.0.0.1:1"));
    assert.deepEqual(evicted, expected);
  }
  assert.equal(refused(), 2);
  // An evicted call was counted as ended already.
  calls[1]?.[Symbol.dispose]();
  assert.ok(sockets.addCall("10.0.0.1:1"));
  assert.deepEqual(evicted, [1, 2, 3]);
  assert.equal(socket.destroyed, false);
  sockets.destroyAll();
});

Deno.test("SocketRegistry.addCall() refuses a call while all others have time left", () => {
  const { sockets, add, refused } = setUp();
  add(1);
  const { calls, evicted } = fill(sockets, 16);
  assert.equal(sockets.addCall("10.0.0.1:1"), undefined);
  assert.deepEqual([evicted, refused()], [[], 1]);
  // One that has ended here is evicted, after a handshake, too.
  calls[5]?.markEnding();
  assert.ok(sockets.addCall("10.0.0.1:1"));
  calls[7]?.markActive();
  calls[7]?.markEnding();
  assert.ok(sockets.addCall("10.0.0.1:1"));
  assert.deepEqual(evicted, [5, 7]);
  sockets.destroyAll();
});

Deno.test("SocketRegistry.addCall() never evicts a call during its handshake, or an authenticated one", () => {
  const { sockets, add } = setUp({ silentCallMs: 0 });
  add(1);
  const { calls, evicted } = fill(sockets, 16);
  for (const call of calls) call.markActive();
  assert.equal(sockets.addCall("10.0.0.1:1"), undefined);
  for (const call of calls) call.markAuthenticated();
  for (const call of calls) call.markEnding();
  fill(sockets, 257);
  assert.deepEqual(evicted, []);
  sockets.destroyAll();
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import {
  PendingSockets,
  type PendingSocketsOptions,
} from "../../../lib/shared/guard/pending_sockets.ts";

/** The part of a socket that is used. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort = 1;
  destroyed = false;
  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

function setUp(options: Partial<PendingSocketsOptions> = {}) {
  let refusedCount = 0;
  const pending = new PendingSockets({
    maxCount: 2,
    timeoutMs: 60_000,
    onRefused: () => void refusedCount++,
    ...options,
  });
  const add = (address = "10.0.0.1") => {
    const socket = new FakeSocket(address);
    return { socket, slot: pending.add(socket as unknown as Socket) };
  };
  return { pending, add, refused: () => refusedCount };
}

Deno.test("PendingSockets.add() destroys a socket above the limit until a client is authenticated", () => {
  const { pending, add, refused } = setUp();
  const first = add();
  const second = add();
  const refusedOne = add();
  assert.equal(refusedOne.slot, undefined);
  assert.deepEqual([refusedOne.socket.destroyed, refused()], [true, 1]);
  first.slot?.[Symbol.dispose]();
  const third = add();
  assert.ok(third.slot);
  assert.equal(pending.count, 2);
  for (const { socket } of [first, second, third]) socket.destroy();
  assert.equal(pending.count, 0);
});

Deno.test("PendingSockets.add() takes the slot of a network with many sockets", () => {
  const { add, refused } = setUp();
  const [oldest, newer] = [add(), add()];
  const other = add("10.0.0.2");
  assert.ok(other.slot);
  assert.deepEqual(
    [oldest.socket.destroyed, newer.socket.destroyed, refused()],
    [true, false, 1],
  );
  for (const { socket } of [newer, other]) socket.destroy();
});

Deno.test("PendingSockets destroys a socket that is pending for too long", async () => {
  const { add } = setUp({ timeoutMs: 20 });
  // Its time-out would be due first.
  const [used, silent] = [add(), add()];
  used.slot?.[Symbol.dispose]();
  await new Promise((resolve) => silent.socket.once("close", resolve));
  assert.deepEqual([silent.socket.destroyed, used.socket.destroyed], [
    true,
    false,
  ]);
});

Deno.test("PendingSockets keeps an error of a socket from ending the process", () => {
  const { add } = setUp();
  const { socket } = add();
  socket.emit("error", new Error("reset by peer"));
  socket.destroy();
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RetransmitQueue } from "../../../lib/shared/session/retransmit_queue.ts";

/** A queue with this many packets of one byte, at sequence positions 0, 2, 4, … */
function makeQueue(count: number): RetransmitQueue {
  const queue = new RetransmitQueue();
  for (let index = 0; index < count; index++) {
    const sequence = index * 2;
    const packet = Uint8Array.of(index % 256);
    queue.push({ sequence, end: sequence + 2, packet });
  }
  return queue;
}

/** Takes all packets that are left to repeat. */
function repeatAll(queue: RetransmitQueue): number[] {
  const numbers: number[] = [];
  for (;;) {
    const packet = queue.takeRepeat();
    if (!packet) return numbers;
    numbers.push(packet[0] ?? -1);
  }
}

Deno.test("takeRepeat() returns nothing before rewind()", () => {
  const queue = makeQueue(3);
  assert.equal(queue.nextRepeat, undefined);
  assert.equal(queue.takeRepeat(), undefined);
  assert.equal(queue.unackedBytes, 3);
});

Deno.test("takeRepeat() returns every unacknowledged packet after rewind(), in order", () => {
  const queue = makeQueue(4);
  queue.acknowledge(4);
  queue.rewind();
  assert.equal(queue.nextRepeat?.sequence, 4);
  assert.deepEqual(repeatAll(queue), [2, 3]);
});

Deno.test("takeRepeat() skips packets that are acknowledged after rewind()", () => {
  const queue = makeQueue(4);
  queue.rewind();
  queue.acknowledge(6);
  assert.deepEqual(repeatAll(queue), [3]);
});

Deno.test("acknowledge() keeps a packet that is acknowledged in part", () => {
  const queue = makeQueue(1);
  queue.acknowledge(1);
  assert.deepEqual([queue.isEmpty, queue.unackedBytes], [false, 1]);
  queue.acknowledge(2);
  assert.deepEqual([queue.isEmpty, queue.unackedBytes], [true, 0]);
});

Deno.test("acknowledge() keeps positions when it removes many packets", () => {
  const queue = makeQueue(200);
  queue.rewind();
  for (let taken = 0; taken < 150; taken++) queue.takeRepeat();
  queue.acknowledge(2 * 120);
  assert.equal(queue.nextRepeat?.sequence, 2 * 150);
  queue.rewind();
  assert.equal(repeatAll(queue).length, 80);
});

Deno.test("clear() drops all packets", () => {
  const queue = makeQueue(3);
  queue.clear();
  queue.rewind();
  assert.deepEqual([queue.isEmpty, queue.unackedBytes], [true, 0]);
  assert.deepEqual(repeatAll(queue), []);
});

Deno.test("heldBytes counts the packets that are not acknowledged, each with 64 bytes", () => {
  const queue = makeQueue(4);
  assert.equal(queue.heldBytes, 4 * 65);
  queue.acknowledge(6);
  assert.equal(queue.heldBytes, 65);
  queue.clear();
  assert.equal(queue.heldBytes, 0);
});

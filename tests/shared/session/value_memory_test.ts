// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { MemoryPool } from "../../../lib/shared/base/mod.ts";
import { ValueMemory } from "../../../lib/shared/session/value_memory.ts";

const MAX_VALUE_BYTES = 100;

function makeMemory(pool?: MemoryPool) {
  const held = { incompleteBytes: 0, responseBytes: 0 };
  const memory = new ValueMemory({
    maxValueBytes: MAX_VALUE_BYTES,
    held,
    share: pool?.join(),
  });
  return { held, memory };
}

Deno.test("checkIncomplete() allows incomplete values of four times the largest one", () => {
  const { held, memory } = makeMemory();
  held.incompleteBytes = 400;
  memory.checkIncomplete();
  held.incompleteBytes = 401;
  assert.throws(() => memory.checkIncomplete(), {
    code: "too_large",
    message:
      "Cannot receive value: incomplete values hold 401 bytes, expected at most 400",
  });
});

Deno.test("reserve() and checkResponse() allow requests and responses of four times the largest value", () => {
  const { held, memory } = makeMemory();
  memory.reserve(250);
  held.responseBytes = 100;
  assert.throws(() => memory.reserve(51), {
    code: "unavailable",
    message:
      "Cannot accept request: earlier requests hold 350 bytes, expected at most 400 together",
  });
  assert.throws(() => memory.checkResponse(51), {
    code: "unavailable",
    message:
      "Cannot send response: earlier requests hold 350 bytes, expected at most 400 together",
  });
  memory.checkResponse(50);
  memory.reserve(50);
  assert.throws(() => memory.reserve(1), { code: "unavailable" });
  memory.release(250);
  memory.reserve(250);
});

Deno.test("checkIncomplete(), reserve() and checkResponse() share one memory with other peers", () => {
  const pool = new MemoryPool({ guaranteedBytes: 50, reserveBytes: 500 });
  const [first, second] = [makeMemory(pool), makeMemory(pool)];
  first.held.incompleteBytes = 300;
  first.memory.checkIncomplete();
  first.memory.reserve(150);
  first.memory.checkResponse(100);
  first.held.responseBytes = 100;
  // 500 of the reserve are taken: what is guaranteed is left.
  second.memory.reserve(50);
  const message = /: the memory for requests of all devices is used up$/;
  assert.throws(() => second.memory.reserve(1), {
    code: "unavailable",
    message,
  });
  assert.throws(() => second.memory.checkResponse(1), {
    code: "unavailable",
    message,
  });
  second.held.incompleteBytes = 1;
  assert.throws(() => second.memory.checkIncomplete(), {
    code: "unavailable",
    message,
  });
  first.held.incompleteBytes = 299;
  first.memory.update();
  second.memory.checkIncomplete();
  first.memory.close();
  // What ends after the session does not count any more.
  first.memory.release(150);
  second.memory.reserve(300);
  assert.equal(pool.reservedBytes, 301);
});

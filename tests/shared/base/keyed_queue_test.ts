// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { cpuUsage } from "node:process";
import { KeyedQueue } from "../../../lib/shared/base/mod.ts";

Deno.test("KeyedQueue.add() processes a key once when it was added several times before its turn", async () => {
  const seen: string[] = [];
  await using queue = new KeyedQueue({
    work: (key) => (seen.push(key), Promise.resolve()),
    concurrency: 1,
  });
  for (const key of ["a", "b", "b", "b"]) queue.add(key);
  await queue.idle();
  assert.deepEqual(seen, ["a", "b"]);
});

Deno.test("KeyedQueue.add() processes a key once more when it is added while it is processed", async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  await using queue = new KeyedQueue({
    async work() {
      running++;
      runs++;
      assert.equal(running, 1);
      await gate.promise;
      running--;
    },
  });
  queue.add("a");
  await Promise.resolve();
  queue.add("a");
  queue.add("a");
  gate.resolve();
  await queue.idle();
  assert.equal(runs, 2);
});

Deno.test("KeyedQueue retries a failed key after its back-off and calls onError", async () => {
  const delays: number[] = [];
  const done = Promise.withResolvers<void>();
  let runs = 0;
  await using queue = new KeyedQueue({
    backoff: { initialDelayMs: 1, maxDelayMs: 4 },
    onError: (_key, { retryMs }) => delays.push(retryMs),
    work() {
      runs++;
      if (runs < 4) throw new Error("not yet");
      done.resolve();
      return Promise.resolve();
    },
  });
  queue.add("a");
  await done.promise;
  await queue.idle();
  assert.deepEqual(delays, [1, 2, 4]);
});

Deno.test("KeyedQueue.add() keeps the back-off of a failing key", async () => {
  let runs = 0;
  await using queue = new KeyedQueue({
    backoff: { initialDelayMs: 60_000, maxDelayMs: 60_000 },
    work() {
      runs++;
      queue.add("a");
      return Promise.reject(new Error("always"));
    },
  });
  queue.add("a");
  await queue.idle();
  assert.equal(runs, 1);
});

Deno.test("KeyedQueue.add() processes a delayed key at once when it is added without delay", async () => {
  const seen: string[] = [];
  await using queue = new KeyedQueue({
    work: (key) => (seen.push(key), Promise.resolve()),
  });
  queue.add("a", { afterMs: 60_000 });
  queue.add("a");
  await queue.idle();
  assert.deepEqual(seen, ["a"]);
});

Deno.test("KeyedQueue processes at most `concurrency` keys at the same time", async () => {
  let running = 0;
  let most = 0;
  await using queue = new KeyedQueue({
    concurrency: 3,
    async work() {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
    },
  });
  for (let index = 0; index < 20; index++) queue.add(`k${index}`);
  await queue.idle();
  assert.equal(most, 3);
});

Deno.test("KeyedQueue.forget() drops a queued key", async () => {
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  await using queue = new KeyedQueue({
    concurrency: 1,
    work: (key) => (seen.push(key), gate.promise),
  });
  queue.add("a");
  queue.add("b");
  queue.forget("b");
  gate.resolve();
  await queue.idle();
  assert.deepEqual(seen, ["a"]);
});

/** Time of the processor in this process: what others take on a busy machine does not count. */
function processorMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

Deno.test("KeyedQueue.forget() drops each of many queued keys at once", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const queue = new KeyedQueue({ concurrency: 1, work: () => promise });
  const keys = Array.from({ length: 100_000 }, (_, index) => `key-${index}`);
  for (const key of keys) queue.add(key);
  const startMs = processorMs();
  // The last ones first, which a search from the front finds last.
  for (const key of keys.toReversed()) queue.forget(key);
  const takenMs = processorMs() - startMs;
  assert.equal(queue.size, 1);
  assert.ok(takenMs < 3_000, `took ${takenMs} ms`);
  resolve();
  await queue[Symbol.asyncDispose]();
});

Deno.test("KeyedQueue processes many queued keys in order, and those that are added later", async () => {
  const processed: string[] = [];
  await using queue = new KeyedQueue({
    concurrency: 1,
    work: (key) => Promise.resolve(void processed.push(key)),
  });
  const keys = Array.from({ length: 100_000 }, (_, index) => `key-${index}`);
  const startMs = processorMs();
  for (const key of keys) queue.add(key);
  queue.forget("key-7");
  queue.add("key-7");
  await queue.idle();
  const takenMs = processorMs() - startMs;
  assert.deepEqual(processed, [
    ...keys.filter((key) => key !== "key-7"),
    "key-7",
  ]);
  queue.add("later");
  await queue.idle();
  assert.equal(processed.at(-1), "later");
  assert.ok(takenMs < 20_000, `took ${takenMs} ms`);
});

Deno.test("KeyedQueue aborts running work when it is disposed", async () => {
  let aborted = false;
  const queue = new KeyedQueue({
    work: (_key, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(signal.reason);
        })
      ),
  });
  queue.add("a");
  await Promise.resolve();
  await Promise.resolve();
  await queue[Symbol.asyncDispose]();
  assert.equal(aborted, true);
});

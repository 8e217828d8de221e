// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createKeyedQueue } from "../../../lib/shared/base/mod.ts";

Deno.test("createKeyedQueue() runs a key once when it is added many times before its turn", async () => {
  const seen: string[] = [];
  await using queue = createKeyedQueue({
    work: (key) => (seen.push(key), Promise.resolve()),
    concurrency: 1,
  });
  for (const key of ["a", "b", "b", "b"]) queue.add(key);
  await queue.idle();
  assert.deepEqual(seen, ["a", "b"]);
});

Deno.test("createKeyedQueue() runs a key again when it is added during its run, never twice at a time", async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  await using queue = createKeyedQueue({
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

Deno.test("createKeyedQueue() retries a failed key after its back-off and tells of it", async () => {
  const delays: number[] = [];
  const done = Promise.withResolvers<void>();
  let runs = 0;
  await using queue = createKeyedQueue({
    backoff: { initialDelayMs: 1, maxDelayMs: 4 },
    onError: (_key, _error, retryMs) => delays.push(retryMs),
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

Deno.test("createKeyedQueue() keeps the back-off of a failing key that is added again", async () => {
  let runs = 0;
  await using queue = createKeyedQueue({
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

Deno.test("createKeyedQueue() looks at a delayed key earlier when it is added without delay", async () => {
  const seen: string[] = [];
  await using queue = createKeyedQueue({
    work: (key) => (seen.push(key), Promise.resolve()),
  });
  queue.add("a", { afterMs: 60_000 });
  queue.add("a");
  await queue.idle();
  assert.deepEqual(seen, ["a"]);
});

Deno.test("createKeyedQueue() works on no more keys at a time than allowed", async () => {
  let running = 0;
  let most = 0;
  await using queue = createKeyedQueue({
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

Deno.test("createKeyedQueue() forgets a waiting key", async () => {
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  await using queue = createKeyedQueue({
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

Deno.test("createKeyedQueue() aborts running work when it is disposed", async () => {
  let aborted = false;
  const queue = createKeyedQueue({
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

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { CallLimiter } from "../../../lib/shared/base/call_limiter.ts";

/** Resolves after what is ready to run has run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

/** Opens a limiter whose calls are ended by the test. */
function open(concurrency: number) {
  const limiter = new CallLimiter({ concurrency });
  const started: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  const call = (name: string) => () => {
    started.push(name);
    const end = Promise.withResolvers<string>();
    ends.set(name, end);
    return end.promise;
  };
  /** Ends a call and lets others start. */
  const end = async (name: string, error?: Error) => {
    if (error) ends.get(name)?.reject(error);
    else ends.get(name)?.resolve(name);
    await settle();
  };
  return { limiter, started, call, end };
}

Deno.test("CallLimiter.run() starts calls in their order, those of high priority first", async () => {
  const { limiter, started, call, end } = open(2);
  const results = [
    limiter.run(call("a")),
    limiter.run(call("b")),
    limiter.run(call("c")),
    limiter.run(call("d"), { priority: "high" }),
    limiter.run(call("e"), { priority: "high" }),
  ];
  await settle();
  assert.deepEqual(started, ["a", "b"]);
  assert.equal(limiter.waitingCount, 3);
  await end("b");
  assert.deepEqual(started, ["a", "b", "d"]);
  for (const name of ["a", "d", "e", "c"]) await end(name);
  assert.deepEqual(started, ["a", "b", "d", "e", "c"]);
  assert.deepEqual(await Promise.all(results), ["a", "b", "c", "d", "e"]);
});

Deno.test("CallLimiter.run() goes on after a failed call", async () => {
  const { limiter, started, call, end } = open(1);
  const failing = assert.rejects(limiter.run(call("a")), /no/);
  const next = limiter.run(call("b"));
  await settle();
  await end("a", new Error("no"));
  await failing;
  assert.deepEqual(started, ["a", "b"]);
  await end("b");
  assert.equal(await next, "b");
});

Deno.test("CallLimiter.run() rejects when it is aborted during the wait, and keeps the room", async () => {
  const { limiter, started, call, end } = open(1);
  const first = limiter.run(call("a"));
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = assert.rejects(limiter.run(call("b"), { signal }), /enough/);
  const last = limiter.run(call("c"), { signal: new AbortController().signal });
  controller.abort(new Error("enough"));
  await aborted;
  await assert.rejects(limiter.run(call("d"), { signal }), /enough/);
  await end("a");
  await end("c");
  assert.deepEqual(started, ["a", "c"]);
  await Promise.all([first, last]);
  assert.equal(limiter.waitingCount, 0);
});

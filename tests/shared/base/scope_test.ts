// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Scope } from "../../../lib/shared/base/mod.ts";

Deno.test("Scope.close() runs clean-ups in reverse order, once", async () => {
  const order: string[] = [];
  const scope = new Scope();
  scope.defer(() => void order.push("first"));
  scope.defer(() => void order.push("second"));
  await scope.close();
  await scope.close();
  assert.deepEqual(order, ["second", "first"]);
});

Deno.test("Scope.close() runs the other clean-ups when one throws", async () => {
  const errors: unknown[] = [];
  let reached = false;
  const scope = new Scope({ onError: (error) => errors.push(error) });
  scope.defer(() => void (reached = true));
  scope.defer(() => Promise.reject(new Error("bad")));
  await scope.close();
  assert.equal(reached, true);
  assert.equal(errors.length, 1);
});

Deno.test("Scope closes with its parent's signal and awaits its tasks", async () => {
  const parent = new AbortController();
  let ended = false;
  const scope = new Scope({ parent: parent.signal });
  scope.run(async (signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended = true;
  });
  await Promise.resolve();
  parent.abort();
  await scope.close();
  assert.equal(ended, true);
});

Deno.test("Scope.run() passes the error of a task to onError", async () => {
  const seen = Promise.withResolvers<unknown>();
  await using scope = new Scope({ onError: seen.resolve });
  scope.run(() => Promise.reject(new Error("broken")));
  assert.match(String(await seen.promise), /broken/);
});

Deno.test("Scope.use() disposes resources of both kinds in reverse order", async () => {
  const order: string[] = [];
  const scope = new Scope();
  scope.use({ [Symbol.dispose]: () => void order.push("sync") });
  const resource = {
    [Symbol.asyncDispose]: () => {
      order.push("async");
      return Promise.resolve();
    },
  };
  assert.equal(scope.use(resource), resource);
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(order, ["async", "sync"]);
});

Deno.test("new Scope() is closed when its parent is already aborted", async () => {
  const scope = new Scope({ parent: AbortSignal.abort("stopped") });
  assert.equal(scope.signal.aborted, true);
  assert.equal(scope.signal.reason, "stopped");
  await scope.close();
});

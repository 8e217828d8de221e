// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  abortable,
  onAbort,
  whenAborted,
} from "../../../lib/shared/base/abort.ts";

Deno.test("onAbort() calls back once with the reason", () => {
  const stop = new AbortController();
  const reasons: unknown[] = [];
  onAbort(stop.signal, (reason) => reasons.push(reason));
  assert.deepEqual(reasons, []);
  stop.abort("first");
  stop.abort("second");
  assert.deepEqual(reasons, ["first"]);
});

Deno.test("onAbort() calls back at once when the signal is already aborted", () => {
  const reasons: unknown[] = [];
  onAbort(AbortSignal.abort("before"), (reason) => reasons.push(reason));
  assert.deepEqual(reasons, ["before"]);
});

Deno.test("onAbort() doesn't call back after it was disposed", () => {
  const stop = new AbortController();
  const reasons: unknown[] = [];
  {
    using _listener = onAbort(stop.signal, (reason) => reasons.push(reason));
  }
  stop.abort("late");
  assert.deepEqual(reasons, []);
});

Deno.test("onAbort() accepts an absent signal", () => {
  using _listener = onAbort(undefined, () => assert.fail("was called"));
});

Deno.test("abortable() returns what the work returns, and throws what it throws", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(7), signal), 7);
  assert.equal(await abortable(Promise.resolve(8), undefined), 8);
  await assert.rejects(
    abortable(Promise.reject(new RangeError("own")), signal),
    /own/,
  );
});

Deno.test("abortable() throws the signal's reason when it is aborted first", async () => {
  const stop = new AbortController();
  const waiting = abortable(new Promise(() => {}), stop.signal);
  stop.abort(new RangeError("stopped"));
  await assert.rejects(waiting, /stopped/);
  await assert.rejects(
    abortable(Promise.resolve(1), AbortSignal.abort(new RangeError("before"))),
    /before/,
  );
});

Deno.test("abortable() ignores a rejection that comes after the abort", async () => {
  const stop = new AbortController();
  const work = Promise.withResolvers<void>();
  const waiting = abortable(work.promise, stop.signal);
  stop.abort(new RangeError("stopped"));
  await assert.rejects(waiting, /stopped/);
  // An unhandled rejection would fail this test.
  work.reject(new Error("late"));
  await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("abortable() removes its listener from the signal", async () => {
  const { signal } = new AbortController();
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: unknown[]) => {
    count++;
    Reflect.apply(add, signal, args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    count--;
    Reflect.apply(remove, signal, args);
  };
  await abortable(Promise.resolve(), signal);
  assert.equal(count, 0);
});

Deno.test("whenAborted() resolves at the abort, or at once when it was before", async () => {
  const stop = new AbortController();
  let isDone = false;
  const waiting = whenAborted(stop.signal).then(() => isDone = true);
  await Promise.resolve();
  assert.equal(isDone, false);
  stop.abort();
  await waiting;
  await whenAborted(stop.signal);
});

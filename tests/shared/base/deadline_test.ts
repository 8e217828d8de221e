// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type AranyaError,
  type Clock,
  waitAtMost,
  withDeadline,
} from "../../../lib/shared/base/mod.ts";

Deno.test("withDeadline() returns what the work returns", async () => {
  assert.equal(
    await withDeadline(() => Promise.resolve(7), {
      timeoutMs: 1_000,
      action: "Cannot count",
    }),
    7,
  );
});

Deno.test("withDeadline() rejects in time when the work ignores its signal", async () => {
  const work = withDeadline(() => new Promise<never>(() => {}), {
    timeoutMs: 10,
    action: "Cannot read facts",
  });
  await assert.rejects(work, (error: AranyaError) => {
    assert.equal(error.code, "timed_out");
    assert.equal(error.message, "Cannot read facts: no answer after 10 ms");
    return true;
  });
});

Deno.test("withDeadline() aborts the work's signal when the caller's is aborted", async () => {
  const caller = new AbortController();
  let seen: AbortSignal | undefined;
  const work = withDeadline((signal) => {
    seen = signal;
    return new Promise<never>(() => {});
  }, { timeoutMs: 60_000, action: "Cannot wait", signal: caller.signal });
  caller.abort(new Error("left"));
  await assert.rejects(work, /left/);
  assert.equal(seen?.aborted, true);
});

/** A clock whose sleeps end when the test ends them. */
class ManualClock implements Clock {
  readonly delays: number[] = [];
  readonly #sleep = Promise.withResolvers<void>();

  monotonicMs(): number {
    return 0;
  }

  wallMs(): number {
    return 0;
  }

  sleep(delayMs: number): Promise<void> {
    this.delays.push(delayMs);
    return this.#sleep.promise;
  }

  endSleep(): void {
    this.#sleep.resolve();
  }
}

Deno.test("withDeadline() measures the time with the clock that it is given", async () => {
  const clock = new ManualClock();
  const work = withDeadline(() => new Promise<never>(() => {}), {
    timeoutMs: 60_000,
    action: "Cannot wait",
    clock,
  });
  assert.deepEqual(clock.delays, [60_000]);
  clock.endSleep();
  await assert.rejects(work, { code: "timed_out" });
});

Deno.test("waitAtMost() returns when the work settles, also when it rejects", async () => {
  const limit = { timeoutMs: 60_000 };
  await waitAtMost(Promise.resolve(), limit);
  await waitAtMost(Promise.reject(new Error("failed")), limit);
});

Deno.test("waitAtMost() returns at the deadline when the work doesn't settle", async () => {
  const clock = new ManualClock();
  const waiting = waitAtMost(new Promise(() => {}), {
    timeoutMs: 500,
    clock,
  });
  assert.deepEqual(clock.delays, [500]);
  clock.endSleep();
  await waiting;
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type AranyaError,
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

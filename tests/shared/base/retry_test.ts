// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  createLogger,
  retryUntilSuccess,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";

function options(lines: string[], signal = AbortSignal.timeout(30_000)) {
  const log = createLogger({ write: (line) => void lines.push(line) });
  const clock = { ...SYSTEM_CLOCK, sleep: () => Promise.resolve() };
  return { object: "the CA", log, clock, signal };
}

Deno.test("retryUntilSuccess() calls again after errors and logs an error once until it changes", async () => {
  const lines: string[] = [];
  const failures = ["a", "a", "b"];
  const result = await retryUntilSuccess(() => {
    const failure = failures.shift();
    if (failure === undefined) return Promise.resolve("done");
    return Promise.reject(new AranyaError("unavailable", `Cannot ${failure}`));
  }, options(lines));
  assert.equal(result, "done");
  assert.deepEqual(
    lines.map((line) => {
      const { level, object, error } = JSON.parse(line);
      return { level, object, error };
    }),
    [
      { level: "warn", object: "the CA", error: "Cannot a" },
      { level: "warn", object: "the CA", error: "Cannot b" },
    ],
  );
});

Deno.test("retryUntilSuccess() logs at level error what isn't a matter of time", async () => {
  const lines: string[] = [];
  const failures = [new AranyaError("forbidden", "Cannot get the CA: denied")];
  await retryUntilSuccess(() => {
    const failure = failures.shift();
    return failure ? Promise.reject(failure) : Promise.resolve();
  }, options(lines));
  assert.deepEqual(lines.map((line) => JSON.parse(line).level), ["error"]);
});

Deno.test("retryUntilSuccess() throws the signal's reason when it is aborted", async () => {
  const stop = new AbortController();
  const work = () => {
    stop.abort(new TypeError("enough"));
    return Promise.reject(new Error("no"));
  };
  await assert.rejects(
    retryUntilSuccess(work, options([], stop.signal)),
    /enough/,
  );
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  createLogger,
  persist,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";

function given(lines: string[], signal = AbortSignal.timeout(5000)) {
  const log = createLogger({ write: (line) => void lines.push(line) });
  const clock = { ...SYSTEM_CLOCK, sleep: () => Promise.resolve() };
  return { waiting: "the CA", log, clock, signal };
}

Deno.test("persist() tries until it works and says each new trouble once", async () => {
  const lines: string[] = [];
  const troubles = ["a", "a", "b"];
  const result = await persist(() => {
    const trouble = troubles.shift();
    if (trouble === undefined) return Promise.resolve("there");
    return Promise.reject(new AranyaError("unavailable", `Cannot ${trouble}`));
  }, given(lines));
  assert.equal(result, "there");
  assert.deepEqual(lines.map((line) => JSON.parse(line).error), [
    "Cannot a",
    "Cannot b",
  ]);
});

Deno.test("persist() ends with its signal's reason", async () => {
  const stop = new AbortController();
  const work = () => {
    stop.abort(new TypeError("enough"));
    return Promise.reject(new Error("no"));
  };
  await assert.rejects(persist(work, given([], stop.signal)), /enough/);
});

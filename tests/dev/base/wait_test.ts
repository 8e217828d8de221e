// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { until } from "../../../dev/base/wait.ts";
import { hasCode } from "../../../lib/shared/base/mod.ts";

Deno.test("until() returns the first result that is neither undefined nor false", async () => {
  const results = [undefined, false, 0];
  let count = 0;
  const seen = await until<number>(
    () => results[count++] as number | undefined | false,
    "a number",
  );
  assert.equal(seen, 0);
  assert.equal(count, 3);
});

Deno.test("until() takes an error of the check for not yet", async () => {
  let count = 0;
  const seen = await until(() => {
    if (count++ < 2) throw new Error("absent");
    return "here";
  }, { what: "a text" });
  assert.equal(seen, "here");
});

Deno.test("until() throws timed_out with what was awaited, the last error and the detail", async () => {
  const waiting = until(() => Promise.reject(new Error("absent")), {
    what: "a ready server",
    timeoutMs: 20,
    detail: () => "end of the log",
  });
  await assert.rejects(waiting, (error: Error) => {
    assert.ok(hasCode(error, "timed_out"));
    assert.equal(
      error.message,
      "Cannot observe a ready server: not observed within 20 ms: absent\nend of the log",
    );
    return true;
  });
});

Deno.test("until() names the text or the source of the check when time runs out", async () => {
  const isReady = () => false;
  await assert.rejects(
    until(isReady, { timeoutMs: 1 }),
    /Cannot observe \(\) ?=> ?false: /,
  );
  await assert.rejects(
    until(isReady, { timeoutMs: 1, what: "a server" }),
    /Cannot observe a server: /,
  );
});

Deno.test("until() checks often at first, and at a fixed interval when it is given", async () => {
  const countChecks = async (options: { intervalMs?: number }) => {
    let count = 0;
    await until(() => void count++, {
      what: "nothing",
      timeoutMs: 1_000,
      ...options,
    }).catch(() => {});
    return count;
  };
  // After 0, 5, 15, 35, 75 and 155 ms, then every 100 ms; fewer on a busy machine.
  const growing = await countChecks({});
  assert.ok(growing >= 5 && growing <= 15, `${growing} checks`);
  const fixed = await countChecks({ intervalMs: 600 });
  assert.ok(fixed <= 3, `${fixed} checks`);
});

Deno.test("until() rejects with the signal's reason when it is aborted", async () => {
  const controller = new AbortController();
  const waiting = until(() => false, {
    what: "nothing",
    signal: controller.signal,
  });
  controller.abort(new Error("interrupted"));
  await assert.rejects(waiting, /interrupted/);
});

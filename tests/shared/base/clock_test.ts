// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";

Deno.test("SYSTEM_CLOCK.sleep() waits at least its delay", async () => {
  const before = SYSTEM_CLOCK.monotonicMs();
  await SYSTEM_CLOCK.sleep(20);
  assert.ok(SYSTEM_CLOCK.monotonicMs() - before >= 19);
});

Deno.test("SYSTEM_CLOCK.sleep() rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const sleeping = SYSTEM_CLOCK.sleep(60_000, { signal: controller.signal });
  controller.abort(new Error("stop"));
  await assert.rejects(sleeping, /stop/);
  await assert.rejects(
    SYSTEM_CLOCK.sleep(1, { signal: controller.signal }),
    /stop/,
  );
});

Deno.test("SYSTEM_CLOCK.sleep() does not end at once when the delay is more than a timer can hold", async () => {
  const controller = new AbortController();
  const sleeping = SYSTEM_CLOCK.sleep(2 ** 31, { signal: controller.signal })
    .then(() => "ended", () => "aborted");
  await SYSTEM_CLOCK.sleep(20);
  controller.abort();
  assert.equal(await sleeping, "aborted");
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Notifier } from "../../../lib/shared/base/notifier.ts";

Deno.test("Notifier.wait() resolves after the next notify()", async () => {
  const notifier = new Notifier();
  let isDone = false;
  const waiting = notifier.wait().then(() => isDone = true);
  await Promise.resolve();
  assert.equal(isDone, false);
  notifier.notify();
  await waiting;
});

Deno.test("Notifier.wait() returns at once, once, for all notifications since the last wait", async () => {
  const notifier = new Notifier();
  notifier.notify();
  notifier.notify();
  await notifier.wait();
  let isDone = false;
  const second = notifier.wait().then(() => isDone = true);
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(isDone, false);
  notifier.notify();
  await second;
});

Deno.test("Notifier.wait() throws the signal's reason and keeps the notification", async () => {
  const notifier = new Notifier();
  const stop = new AbortController();
  const waiting = notifier.wait(stop.signal);
  stop.abort(new RangeError("stopped"));
  await assert.rejects(waiting, /stopped/);
  notifier.notify();
  await assert.rejects(notifier.wait(stop.signal), /stopped/);
  await notifier.wait();
});

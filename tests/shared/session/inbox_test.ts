// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { Inbox, MAX_WINDOW_BYTES } from "../../../lib/shared/session/inbox.ts";
import {
  INITIAL_CREDIT_BYTES,
  toDataCost,
} from "../../../lib/shared/wire/mod.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

function makeInbox({ roundTripMs = 10 } = {}) {
  const clock = new VirtualClock();
  const seen = { credits: 0, drained: 0 };
  const inbox = new Inbox({
    clock,
    roundTripMs: () => roundTripMs,
    onCredit: () => seen.credits++,
    onDrained: () => seen.drained++,
  });
  return { clock, inbox, seen };
}

const CHUNK = new Uint8Array(16 * 1024);

Deno.test("accept() refuses what exceeds the credit", () => {
  const { inbox } = makeInbox();
  const count = Math.floor(INITIAL_CREDIT_BYTES / toDataCost(CHUNK.length));
  for (let index = 0; index < count; index++) inbox.accept(CHUNK);
  assert.equal(inbox.heldBytes, count * CHUNK.length);
  assert.throws(() => inbox.accept(CHUNK), { code: "invalid" });
});

Deno.test("accept() refuses many small chunks that would cost more memory than credit", () => {
  const { inbox } = makeInbox();
  const count = Math.floor(INITIAL_CREDIT_BYTES / toDataCost(1));
  assert.ok(count < 4_000);
  for (let index = 0; index < count; index++) inbox.accept(Uint8Array.of(1));
  assert.throws(() => inbox.accept(Uint8Array.of(1)), { code: "invalid" });
});

Deno.test("read() raises the credit as chunks are taken, in steps", async () => {
  const { inbox, seen } = makeInbox();
  const reader = inbox.read()[Symbol.asyncIterator]();
  for (let index = 0; index < 8; index++) {
    inbox.accept(CHUNK);
    await reader.next();
  }
  assert.equal(seen.credits, 2);
  assert.ok(inbox.credit > INITIAL_CREDIT_BYTES);
});

Deno.test("read() widens the window of a fast reader up to the limit, not of a slow one", async () => {
  for (
    const { pauseMs, wide } of [{ pauseMs: 0, wide: true }, {
      pauseMs: 50,
      wide: false,
    }]
  ) {
    const { inbox, clock } = makeInbox();
    const reader = inbox.read()[Symbol.asyncIterator]();
    let cost = 0;
    for (let index = 0; index < 1_000; index++) {
      inbox.accept(CHUNK);
      cost += toDataCost(CHUNK.length);
      await reader.next();
      if (pauseMs > 0) await clock.pass(pauseMs);
    }
    const aheadBytes = inbox.credit - cost;
    assert.equal(aheadBytes > MAX_WINDOW_BYTES / 2, wide);
    assert.ok(aheadBytes <= MAX_WINDOW_BYTES);
  }
});

Deno.test("end() lets the reader take the rest; with an error it drops it", async () => {
  const { inbox, seen } = makeInbox();
  inbox.accept(CHUNK);
  inbox.end();
  const reader = inbox.read()[Symbol.asyncIterator]();
  assert.equal((await reader.next()).value, CHUNK);
  assert.equal(inbox.drained, false);
  assert.equal((await reader.next()).done, true);
  assert.equal(inbox.drained, true);
  assert.equal(seen.drained, 1);
  assert.throws(() => inbox.accept(CHUNK), { code: "invalid" });
  const broken = makeInbox().inbox;
  broken.accept(CHUNK);
  broken.end(new AranyaError("unavailable", "Cannot go on: lost"));
  const other = broken.read()[Symbol.asyncIterator]();
  await assert.rejects(other.next(), { code: "unavailable" });
  assert.equal(broken.heldBytes, 0);
});

Deno.test("read() left early drops what comes and keeps giving credit", async () => {
  const { inbox, seen } = makeInbox();
  const reader = inbox.read()[Symbol.asyncIterator]();
  await reader.return?.();
  for (let index = 0; index < 100; index++) inbox.accept(CHUNK);
  assert.equal(inbox.heldBytes, 0);
  assert.ok(seen.credits > 10);
});

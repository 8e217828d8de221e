// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError } from "../../../lib/shared/base/mod.ts";
import { Inbox, MAX_WINDOW_BYTES } from "../../../lib/shared/session/inbox.ts";
import {
  INITIAL_CREDIT_BYTES,
  toDataCost,
} from "../../../lib/shared/wire/mod.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

function makeInbox() {
  const clock = new VirtualClock();
  const events = { creditRisen: 0, readerDone: 0 };
  const inbox = new Inbox({
    clock,
    link: { roundTripMs: 10 },
    listener: {
      onCreditRisen: () => events.creditRisen++,
      onReaderDone: () => events.readerDone++,
    },
  });
  return { clock, inbox, events };
}

const CHUNK = new Uint8Array(16 * 1024);

Deno.test("push() throws invalid when the peer exceeds its credit", () => {
  const { inbox } = makeInbox();
  const count = Math.floor(INITIAL_CREDIT_BYTES / toDataCost(CHUNK.length));
  for (let index = 0; index < count; index++) inbox.push(CHUNK);
  assert.equal(inbox.heldBytes, count * CHUNK.length);
  assert.throws(() => inbox.push(CHUNK), { code: "invalid" });
});

Deno.test("push() counts the overhead of small chunks against the credit", () => {
  const { inbox } = makeInbox();
  const count = Math.floor(INITIAL_CREDIT_BYTES / toDataCost(1));
  assert.ok(count < 4_000);
  for (let index = 0; index < count; index++) inbox.push(Uint8Array.of(1));
  assert.throws(() => inbox.push(Uint8Array.of(1)), { code: "invalid" });
});

Deno.test("push() throws invalid when the channel was ended", () => {
  const { inbox } = makeInbox();
  inbox.push(CHUNK);
  inbox.end();
  assert.throws(() => inbox.push(CHUNK), { code: "invalid" });
});

Deno.test("read() raises the credit in steps as chunks are taken", async () => {
  const { inbox, events } = makeInbox();
  const reader = inbox.read()[Symbol.asyncIterator]();
  for (let index = 0; index < 8; index++) {
    inbox.push(CHUNK);
    await reader.next();
  }
  assert.equal(events.creditRisen, 2);
  assert.ok(inbox.credit > INITIAL_CREDIT_BYTES);
});

Deno.test("read() waits for a chunk that arrives later", async () => {
  const { inbox } = makeInbox();
  const reader = inbox.read()[Symbol.asyncIterator]();
  const next = reader.next();
  inbox.push(CHUNK);
  assert.equal((await next).value, CHUNK);
});

const PACES = [
  { title: "read() grows the window up to its limit", pauseMs: 0, wide: true },
  { title: "read() keeps the window", pauseMs: 50, wide: false },
];
for (const { title, pauseMs, wide } of PACES) {
  Deno.test(`${title} when the reader pauses ${pauseMs} ms per chunk`, async () => {
    const { inbox, clock } = makeInbox();
    const reader = inbox.read()[Symbol.asyncIterator]();
    let cost = 0;
    for (let index = 0; index < 1_000; index++) {
      inbox.push(CHUNK);
      cost += toDataCost(CHUNK.length);
      await reader.next();
      if (pauseMs > 0) await clock.pass(pauseMs);
    }
    const aheadBytes = inbox.credit - cost;
    assert.equal(aheadBytes > MAX_WINDOW_BYTES / 2, wide);
    assert.ok(aheadBytes <= MAX_WINDOW_BYTES);
  });
}

Deno.test("end() lets the reader take the rest", async () => {
  const { inbox, events } = makeInbox();
  inbox.push(CHUNK);
  inbox.end();
  const reader = inbox.read()[Symbol.asyncIterator]();
  assert.equal((await reader.next()).value, CHUNK);
  assert.equal(inbox.isReading, true);
  assert.equal((await reader.next()).done, true);
  assert.equal(inbox.isReading, false);
  assert.equal(events.readerDone, 1);
});

Deno.test("end() drops the rest when there is an error", async () => {
  const { inbox } = makeInbox();
  inbox.push(CHUNK);
  inbox.end(new AranyaError("unavailable", "Cannot reach the device: lost"));
  const reader = inbox.read()[Symbol.asyncIterator]();
  await assert.rejects(reader.next(), { code: "unavailable" });
  assert.equal(inbox.heldBytes, 0);
});

Deno.test("read() drops later chunks and gives credit for them when it was left early", async () => {
  const { inbox, events } = makeInbox();
  const reader = inbox.read()[Symbol.asyncIterator]();
  await reader.return?.();
  assert.equal(events.readerDone, 1);
  for (let index = 0; index < 100; index++) inbox.push(CHUNK);
  assert.equal(inbox.heldBytes, 0);
  assert.ok(events.creditRisen > 10);
});

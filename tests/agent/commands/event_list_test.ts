// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { encodeFirstEvents } from "../../../lib/agent/commands/event_list.ts";
import {
  decodeMessage,
  EventListSchema,
  MAX_EVENT_LIST_BYTES,
} from "../../../lib/shared/wire/mod.ts";

const event = (message: string) => ({
  podUid: "u1",
  container: "main",
  warning: true,
  reason: "Unhealthy",
  message,
  timeUnixMs: 1n,
});

Deno.test("encodeFirstEvents() encodes all Events of a short list", () => {
  const { payload, count } = encodeFirstEvents([event("a"), event("b")]);
  assert.equal(count, 2);
  const { events } = decodeMessage(EventListSchema, payload);
  assert.deepEqual(events.map(({ message }) => message), ["a", "b"]);
});

Deno.test("encodeFirstEvents() ends the list before it is too large for the operator", () => {
  const all = Array.from({ length: 100 }, () => event("x".repeat(10_000)));
  const { payload, count } = encodeFirstEvents(all);
  assert.equal(decodeMessage(EventListSchema, payload).events.length, count);
  assert.equal(count, 52);
  assert.ok(payload.length <= MAX_EVENT_LIST_BYTES);
});

Deno.test("encodeFirstEvents() encodes one Event, however large it is", () => {
  const large = event("x".repeat(MAX_EVENT_LIST_BYTES));
  assert.equal(encodeFirstEvents([large, event("b")]).count, 1);
});

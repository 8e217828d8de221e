// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  closeWithGoodbye,
  decodeGoodbye,
  encodeGoodbye,
} from "../../../lib/shared/session/goodbye.ts";
import {
  decodeEnvelope,
  decodeMessage,
  encodeMessage,
  EnvelopeKind,
  GoodbyeSchema,
} from "../../../lib/shared/wire/mod.ts";
import { createMemoryLinks } from "./_support/memory_link.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

Deno.test("closeWithGoodbye() sends a GOODBYE and closes the link", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const packets = links.agent.packets[Symbol.asyncIterator]();
  const received = packets.next();
  await clock.run(
    closeWithGoodbye(links.operator, { reason: "enough", clock }),
  );
  const { kind, stream, payload } = decodeEnvelope((await received).value);
  assert.deepEqual([kind, stream], [EnvelopeKind.GOODBYE, 0]);
  const { reason, instanceEnds } = decodeMessage(GoodbyeSchema, payload);
  assert.deepEqual([reason, instanceEnds], ["enough", false]);
  assert.deepEqual(await links.agent.closed, { reason: "enough" });
});

Deno.test("closeWithGoodbye() closes a link that accepts nothing, has ended or has no room", async () => {
  const blocked = new VirtualClock();
  const first = createMemoryLinks({ clock: blocked });
  first.swallow({ block: true });
  await blocked.run(
    closeWithGoodbye(first.agent, { reason: "x", clock: blocked }),
  );
  assert.equal((await first.operator.closed).reason, "x");
  const clock = new VirtualClock();
  const ended = createMemoryLinks({ clock });
  ended.cut();
  await clock.run(closeWithGoodbye(ended.agent, { reason: "x", clock }));
  const small = createMemoryLinks({ clock, maxPacketBytes: 8 });
  await clock.run(
    closeWithGoodbye(small.agent, { reason: "long reason", clock }),
  );
  assert.equal((await small.operator.closed).reason, "long reason");
});

Deno.test("encodeGoodbye() cuts a long reason", () => {
  const payload = encodeGoodbye({
    reason: "x".repeat(999),
    instanceEnds: true,
  });
  const { reason, instanceEnds } = decodeMessage(GoodbyeSchema, payload);
  assert.equal(reason.length, 300);
  assert.equal(instanceEnds, true);
});

Deno.test("decodeGoodbye() cuts a long reason and replaces control characters: it becomes part of a condition", () => {
  const payload = encodeMessage(GoodbyeSchema, {
    reason: `\x1b[2J${"x".repeat(999)}`,
    instanceEnds: true,
  });
  assert.deepEqual(decodeGoodbye(payload), {
    reason: ` [2J${"x".repeat(296)}`,
    instanceEnds: true,
  });
  assert.deepEqual(
    decodeGoodbye(encodeGoodbye({ reason: "enough", instanceEnds: false })),
    { reason: "enough", instanceEnds: false },
  );
  assert.throws(() => decodeGoodbye(Uint8Array.of(0xff)), { code: "invalid" });
});

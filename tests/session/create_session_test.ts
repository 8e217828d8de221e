// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../lib/base/mod.ts";
import { Method } from "../../lib/wire/mod.ts";
import type { SessionHandlers } from "../../lib/session/mod.ts";
import { connect, gather, makeSession } from "./pair.ts";
import { VirtualClock } from "./virtual_clock.ts";

const ECHO: SessionHandlers = {
  request: (_method, payload) => Promise.resolve(payload),
  async stream(_method, _payload, stream) {
    for await (const chunk of stream.read(0)) await stream.write(1, chunk);
    await stream.end(1);
    await stream.finish(utf8("done"));
  },
};

Deno.test("request() gives the handler's answer", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers: ECHO });
  const link = await clock.run(connect({ operator, agent, clock }));
  const answer = await clock.run(
    operator.request(Method.LIST_PODS, utf8("hello"), { timeoutMs: 1_000 }),
  );
  assert.equal(fromUtf8(answer), "hello");
  await clock.pass(100);
  assert.equal(operator.stats().conversationCount, 0);
  assert.equal(agent.stats().conversationCount, 0);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("open() carries bytes both ways and then the result", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers: ECHO });
  const link = await clock.run(connect({ operator, agent, clock }));
  const stream = operator.open(Method.EXEC, utf8(""));
  const output = gather(stream.read(1));
  await clock.run(stream.write(0, utf8("abc")));
  await clock.run(stream.end(0));
  assert.equal(fromUtf8(await clock.run(stream.result)), "done");
  assert.equal(fromUtf8(await output), "abc");
  assert.ok(stream.signal.aborted);
  link.cut();
  await clock.run(link.ended);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import type { SessionHandlers } from "../../../lib/shared/session/mod.ts";
import { connect, gather, makeSession } from "./_support/pair.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const ECHO: SessionHandlers = {
  request: (_method, payload) => Promise.resolve(payload),
  async stream(_method, _payload, stream) {
    for await (const chunk of stream.read(0)) await stream.write(1, chunk);
    await stream.end(1);
    await stream.finish(utf8("done"));
  },
};

Deno.test("request() returns the response of the handler", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers: ECHO });
  const link = await clock.run(connect({ operator, agent, clock }));
  const response = await clock.run(
    operator.request(Method.LIST_PODS, utf8("hello"), { timeoutMs: 1_000 }),
  );
  assert.equal(fromUtf8(response), "hello");
  await clock.pass(100);
  assert.equal(operator.stats().streamCount, 0);
  assert.equal(agent.stats().streamCount, 0);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("open() carries bytes in both directions, then the result", async () => {
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

/** Serves streams that write this many bytes on channel 1. */
function source(byteCount: number): SessionHandlers {
  return {
    request: (_method, payload) => Promise.resolve(payload),
    async stream(_method, _payload, stream) {
      const chunk = new Uint8Array(32 * 1024).fill(1);
      for (let left = byteCount; left > 0; left -= chunk.length) {
        await stream.write(1, chunk.subarray(0, Math.min(left, chunk.length)));
      }
      await stream.finish(utf8("done"));
    },
  };
}

Deno.test("request() takes less than 2 s during a bulk transfer at 64 kbit/s, in either direction", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock, handlers: ECHO });
  await using agent = makeSession("agent", {
    clock,
    handlers: source(1_000_000),
  });
  const link = await clock.run(
    connect({
      operator,
      agent,
      clock,
      link: { bytesPerSecond: 8_000, latencyMs: 100, bufferBytes: 1_000_000 },
    }),
  );
  const stream = operator.open(Method.LOGS, utf8(""));
  const output = gather(stream.read(1));
  let worstMs = 0;
  for (let round = 0; round < 10; round++) {
    await clock.pass(4_000);
    for (const side of [operator, agent]) {
      const beginMs = clock.monotonicMs();
      await clock.run(
        side.request(Method.LIST_PODS, new Uint8Array(100), {
          timeoutMs: 30_000,
        }),
      );
      worstMs = Math.max(worstMs, clock.monotonicMs() - beginMs);
    }
  }
  assert.ok(worstMs < 2_000, `the slowest response took ${worstMs} ms`);
  const beginMs = clock.monotonicMs();
  assert.equal((await clock.run(output)).length, 1_000_000);
  assert.ok(beginMs < 60_000, "the transfer ended before the last request");
  link.cut();
  await clock.run(link.ended);
});

Deno.test("open() uses at least 85 % of a slow link", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", {
    clock,
    handlers: source(400_000),
  });
  const link = await clock.run(
    connect({
      operator,
      agent,
      clock,
      link: { bytesPerSecond: 8_000, latencyMs: 300, bufferBytes: 1_000_000 },
    }),
  );
  const beginMs = clock.monotonicMs();
  const stream = operator.open(Method.LOGS, utf8(""));
  await clock.run(gather(stream.read(1)));
  const tookMs = clock.monotonicMs() - beginMs;
  assert.ok(tookMs < 50_000 / 0.85, `it took ${tookMs} ms`);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("open() fills a fast link with a long round trip", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", {
    clock,
    handlers: source(40_000_000),
  });
  const link = await clock.run(
    connect({
      operator,
      agent,
      clock,
      link: { bytesPerSecond: 12_500_000, latencyMs: 50, bufferBytes: 4e6 },
    }),
  );
  const beginMs = clock.monotonicMs();
  const stream = operator.open(Method.LOGS, utf8(""));
  await clock.run(gather(stream.read(1)));
  const tookMs = clock.monotonicMs() - beginMs;
  assert.ok(tookMs < 5_500, `it took ${tookMs} ms, the link's rate is 3200 ms`);
  link.cut();
  await clock.run(link.ended);
});

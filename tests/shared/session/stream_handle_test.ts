// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  fromUtf8,
  utf8,
  whenAborted,
} from "../../../lib/shared/base/mod.ts";
import type { Session, Stream } from "../../../lib/shared/session/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import { connect, gather, makeSession } from "./_support/pair.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const NOTHING = new Uint8Array(0);

/** Runs a test on two connected sessions whose agent serves streams this way. */
async function withPair(
  serve: (stream: Stream) => Promise<void>,
  test: (operator: Session, clock: VirtualClock) => Promise<void>,
  { clock = new VirtualClock(), latencyMs = 0 } = {},
): Promise<void> {
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", {
    clock,
    handlers: {
      request: (_method, payload) => Promise.resolve(payload),
      stream: (_method, _payload, stream) => serve(stream),
    },
  });
  const link = await clock.run(
    connect({ operator, agent, clock, link: { latencyMs } }),
  );
  await test(operator, clock);
  await clock.run(Promise.all([operator.close(), agent.close(), link.ended]));
  assert.equal(operator.stats().streamCount, 0);
  assert.equal(agent.stats().handlerCount, 0);
}

Deno.test("write() waits for the reader of its channel, without delaying other channels and requests", async () => {
  let stderrBytes = 0;
  await withPair(async (stream) => {
    const chunk = new Uint8Array(10_000);
    const stderr = (async () => {
      for (;;) {
        await stream.write(2, chunk);
        stderrBytes += chunk.length;
      }
    })().catch(() => {});
    for (let round = 0; round < 500; round++) await stream.write(1, chunk);
    await stream.end(1);
    await whenAborted(stream.signal);
    await stderr;
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    const output = await clock.run(gather(stream.read(1)));
    assert.equal(output.length, 5_000_000);
    assert.ok(stderrBytes > 200_000 && stderrBytes <= 262_144);
    const answer = await clock.run(
      operator.request(Method.LIST_PODS, utf8("?"), { timeoutMs: 1_000 }),
    );
    assert.equal(fromUtf8(answer), "?");
    stream.reset(new AranyaError("cancelled", "Cannot use stream: test"));
  });
});

Deno.test("write() is at most one window ahead of a slow reader", async () => {
  let written = 0;
  await withPair(async (stream) => {
    const chunk = new Uint8Array(50_000);
    for (let round = 0; round < 200; round++) {
      await stream.write(1, chunk);
      written += chunk.length;
    }
    await stream.finish(NOTHING);
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    let read = 0;
    const reading = (async () => {
      for await (const chunk of stream.read(1)) {
        read += chunk.length;
        assert.ok(written - read < 262_144 + 50_000);
        await clock.sleep(100);
      }
    })();
    await clock.run(reading);
    assert.equal(read, 10_000_000);
  });
});

Deno.test("result resolves after every reader has seen the end of its channel", async () => {
  await withPair(async (stream) => {
    await stream.write(1, utf8("last chunk"));
    await stream.finish(utf8("0"));
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    const order: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream.read(1)) {
        await clock.sleep(5_000);
        order.push(fromUtf8(chunk));
      }
    })();
    const result = stream.result.then((bytes) => order.push(fromUtf8(bytes)));
    await clock.run(Promise.all([reading, result]));
    assert.deepEqual(order, ["last chunk", "0"]);
  });
});

Deno.test("result resolves when a channel has no reader, whose bytes stay readable", async () => {
  await withPair(async (stream) => {
    await stream.write(2, utf8("unread"));
    await stream.finish(utf8("0"));
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    assert.equal(fromUtf8(await clock.run(stream.result)), "0");
    assert.equal(fromUtf8(await gather(stream.read(2))), "unread");
    assert.equal(fromUtf8(await gather(stream.read(1))), "");
  });
});

Deno.test("result resolves when a reader stops early", async () => {
  await withPair(async (stream) => {
    await stream.write(1, utf8("one"));
    await stream.write(1, new Uint8Array(2_000_000));
    await stream.finish(utf8("0"));
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    const first = (async () => {
      for await (const chunk of stream.read(1)) return fromUtf8(chunk);
    })();
    assert.equal(await clock.run(first), "one");
    assert.equal(fromUtf8(await clock.run(stream.result)), "0");
  });
});

Deno.test("finish() resolves when the opener has everything, whoever reads at the acceptor", async () => {
  const clock = new VirtualClock();
  const served = Promise.withResolvers<void>();
  let finishMs = 0;
  let abortMs = 0;
  await withPair(
    async (stream) => {
      const input = gather(stream.read(0));
      const startMs = clock.monotonicMs();
      stream.signal.addEventListener("abort", () => {
        abortMs = clock.monotonicMs() - startMs;
      }, { once: true });
      await stream.finish(utf8("0"));
      finishMs = clock.monotonicMs() - startMs;
      await input;
      served.resolve();
    },
    async (operator, clock) => {
      const stream = operator.open(Method.EXEC, NOTHING);
      assert.equal(fromUtf8(await clock.run(stream.result)), "0");
      await clock.run(served.promise);
    },
    { clock, latencyMs: 500 },
  );
  assert.ok(finishMs >= 1_000, `finished after ${finishMs} ms`);
  assert.ok(abortMs >= 1_000, `aborted after ${abortMs} ms`);
});

Deno.test("end() ends one direction: the peer reads to the end and still writes", async () => {
  await withPair(async (stream) => {
    const input = await gather(stream.read(0));
    await stream.write(1, utf8(`${input.length} bytes`));
    await stream.finish(NOTHING);
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    const output = gather(stream.read(1));
    await clock.run(stream.write(0, new Uint8Array(300_000)));
    await stream.end(0);
    await assert.rejects(stream.write(0, utf8("more")), { code: "internal" });
    assert.equal(fromUtf8(await clock.run(output)), "300000 bytes");
    await clock.run(stream.result);
  });
});

Deno.test("write() sends a small or empty chunk as one chunk", async () => {
  await withPair(async (stream) => {
    const sizes: number[] = [];
    for await (const chunk of stream.read(4)) sizes.push(chunk.length);
    await stream.finish(Uint8Array.from(sizes));
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    for (const size of [5, 0, 250, 7]) {
      await clock.run(stream.write(4, new Uint8Array(size)));
    }
    await stream.end(4);
    assert.deepEqual([...await clock.run(stream.result)], [5, 0, 250, 7]);
  });
});

Deno.test("write() rejects with cancelled when the result came before all input was read", async () => {
  await withPair(
    (stream) => stream.finish(utf8("early")),
    async (operator, clock) => {
      const stream = operator.open(Method.EXEC, NOTHING);
      const writing = stream.write(0, new Uint8Array(5_000_000));
      assert.equal(fromUtf8(await clock.run(stream.result)), "early");
      await assert.rejects(writing, { code: "cancelled" });
      await assert.rejects(stream.write(0, utf8("x")), { code: "cancelled" });
    },
  );
});

Deno.test("reset() fails readers, writers, result and signal of the peer with code and message", async () => {
  await withPair(async (stream) => {
    await stream.write(1, utf8("x"));
    stream.reset(new AranyaError("not_found", "Cannot exec: no such file"));
    stream.reset(new AranyaError("internal", "Cannot reset twice"));
    await assert.rejects(stream.finish(NOTHING), { code: "not_found" });
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    const expected = {
      code: "not_found",
      message: "Cannot exec: no such file",
    };
    await assert.rejects(clock.run(stream.result), expected);
    await assert.rejects(gather(stream.read(1)), expected);
    await assert.rejects(stream.write(0, utf8("x")), expected);
    assert.ok(stream.signal.aborted);
  });
});

Deno.test("signal of the acceptor is aborted when that of the opener is", async () => {
  let reason: unknown;
  await withPair(async (stream) => {
    await whenAborted(stream.signal);
    reason = stream.signal.reason;
  }, async (operator, clock) => {
    const controller = new AbortController();
    const stream = operator.open(Method.EXEC, NOTHING, controller);
    await clock.pass(10);
    controller.abort();
    await assert.rejects(stream.result, { code: "cancelled" });
    await clock.pass(10);
    assert.equal((reason as AranyaError).code, "cancelled");
  });
});

Deno.test("reset() ends a stream whose result waits for a reader", async () => {
  await withPair(async (stream) => {
    await stream.write(1, utf8("abc"));
    await stream.finish(NOTHING);
  }, async (operator, clock) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    const reader = stream.read(1)[Symbol.asyncIterator]();
    await clock.run(reader.next());
    await clock.pass(100);
    assert.equal(stream.signal.aborted, false);
    stream.reset(new AranyaError("cancelled", "Cannot use stream: test"));
    await assert.rejects(stream.result, { code: "cancelled" });
  });
});

Deno.test("read() throws for a second reader of a channel, and for a seventeenth channel", async () => {
  await withPair(async (stream) => {
    await whenAborted(stream.signal);
  }, async (operator) => {
    const stream = operator.open(Method.EXEC, NOTHING);
    stream.read(0);
    assert.throws(() => stream.read(0), /has a reader/);
    for (let channel = 1; channel < 16; channel++) stream.read(channel);
    assert.throws(() => stream.read(16), { code: "invalid" });
    stream.reset(new AranyaError("cancelled", "Cannot use stream: test"));
    await assert.rejects(stream.result);
  });
});

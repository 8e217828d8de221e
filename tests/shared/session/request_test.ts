// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import type {
  Session,
  SessionHandlers,
} from "../../../lib/shared/session/mod.ts";
import { Method } from "../../../lib/shared/wire/mod.ts";
import { connect, type LinkOptions, makeSession } from "./_support/pair.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const NOTHING = new Uint8Array(0);

async function withPair(
  request: SessionHandlers["request"],
  test: (
    operator: Session,
    clock: VirtualClock,
    agent: Session,
  ) => Promise<void>,
  link: LinkOptions = {},
): Promise<void> {
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock, maxValueBytes: 2_000_000 });
  const agent = makeSession("agent", {
    clock,
    maxValueBytes: 2_000_000,
    handlers: { request, stream: () => Promise.resolve() },
  });
  const connection = await clock.run(
    connect({ operator, agent, clock, link }),
  );
  await test(operator, clock, agent);
  await clock.run(
    Promise.all([operator.close(), agent.close(), connection.ended]),
  );
  assert.equal(operator.stats().streamCount, 0);
  assert.equal(agent.stats().handlerCount, 0);
}

Deno.test("askPeer() gives the handler's error with its code and message", async () => {
  await withPair(
    () => Promise.reject(new AranyaError("not_found", "Cannot remove pod: x")),
    async (operator, clock) => {
      const asking = operator.request(Method.REMOVE_POD, NOTHING, {
        timeoutMs: 1_000,
      });
      await assert.rejects(clock.run(asking), {
        code: "not_found",
        message: "Cannot remove pod: x",
      });
    },
  );
});

Deno.test("askPeer() hides nothing but the cause of a foreign error", async () => {
  await withPair(
    () => {
      throw new TypeError("boom");
    },
    async (operator, clock) => {
      const asking = operator.request(Method.REMOVE_POD, NOTHING, {
        timeoutMs: 1_000,
      });
      await assert.rejects(clock.run(asking), {
        code: "internal",
        message: "Cannot serve REMOVE_POD: boom",
      });
    },
  );
});

Deno.test("askPeer() times out, tells the peer to stop, and ignores a late answer", async () => {
  let reason: unknown;
  await withPair(
    async (_method, _payload, signal) => {
      await new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve(), { once: true })
      );
      reason = signal.reason;
      return utf8("late");
    },
    async (operator, clock) => {
      const asking = operator.request(Method.GET_STATS, NOTHING, {
        timeoutMs: 3_000,
        action: 'Cannot get statistics of device "edge-1"',
      });
      await assert.rejects(clock.run(asking), {
        code: "timed_out",
        message:
          'Cannot get statistics of device "edge-1": no answer after 3000 ms',
      });
      await clock.pass(1_000);
      assert.ok(reason instanceof AranyaError);
      assert.equal(operator.stats().streamCount, 0);
    },
    { latencyMs: 20 },
  );
});

Deno.test("askPeer() cancels with its signal, before and during the exchange", async () => {
  let aborted = false;
  await withPair(
    async (_method, _payload, signal) => {
      await new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve(), { once: true })
      );
      aborted = true;
      return NOTHING;
    },
    async (operator, clock) => {
      const controller = new AbortController();
      const { signal } = controller;
      const asking = operator.request(Method.GET_STATS, NOTHING, {
        timeoutMs: 60_000,
        signal,
      });
      asking.catch(() => {});
      await clock.pass(10);
      controller.abort();
      await assert.rejects(asking, { code: "cancelled" });
      await clock.pass(10);
      assert.ok(aborted);
      await assert.rejects(
        operator.request(Method.GET_STATS, NOTHING, { timeoutMs: 9, signal }),
        { code: "cancelled" },
      );
    },
  );
});

Deno.test("askPeer() carries large values both ways and refuses larger ones", async () => {
  await withPair(
    (_method, payload) =>
      Promise.resolve(
        payload.length === 1 ? new Uint8Array(2_000_001) : payload,
      ),
    async (operator, clock) => {
      const large = new Uint8Array(1_900_000).fill(5);
      const options = { timeoutMs: 60_000 };
      const answer = await clock.run(
        operator.request(Method.APPLY_POD, large, options),
      );
      assert.deepEqual(answer, large);
      await assert.rejects(
        operator.request(Method.APPLY_POD, new Uint8Array(2_000_001), options),
        { code: "too_large" },
      );
      await assert.rejects(
        clock.run(operator.request(Method.APPLY_POD, utf8("x"), options)),
        { code: "too_large" },
      );
    },
    { maxPacketBytes: 9_000, latencyMs: 5 },
  );
});

Deno.test("askPeer() waits for a link up to its time", async () => {
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock });
  const asking = operator.request(Method.LIST_PODS, NOTHING, {
    timeoutMs: 45_000,
  });
  const beginMs = clock.monotonicMs();
  await assert.rejects(clock.run(asking), { code: "timed_out" });
  assert.equal(clock.monotonicMs() - beginMs, 45_000);
  await operator.close();
});

Deno.test("Acceptor stops a handler at the asker's deadline by its own clock", async () => {
  let stoppedMs = 0;
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", {
    clock,
    handlers: {
      async request(_method, _payload, signal) {
        await new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => resolve(), { once: true })
        );
        stoppedMs = clock.monotonicMs();
        return NOTHING;
      },
      stream: () => Promise.resolve(),
    },
  });
  const link = await clock.run(connect({ operator, agent, clock }));
  const beginMs = clock.monotonicMs();
  const asking = operator.request(Method.GET_STATS, NOTHING, {
    timeoutMs: 5_000,
  });
  asking.catch(() => {});
  await clock.pass(10);
  link.cut();
  await clock.run(link.ended);
  await assert.rejects(clock.run(asking), { code: "timed_out" });
  await clock.pass(100);
  assert.ok(Math.abs(stoppedMs - beginMs - 5_000) < 100);
  await clock.run(Promise.all([operator.close(), agent.close()]));
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  equalBytes,
  utf8,
  whenAborted,
} from "../../../lib/shared/base/mod.ts";
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
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", {
    clock,
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

Deno.test("sendRequest() throws the error of the handler with its code and message", async () => {
  await withPair(
    () => Promise.reject(new AranyaError("not_found", "Cannot remove pod: x")),
    async (operator, clock) => {
      const pending = operator.request(Method.REMOVE_POD, NOTHING, {
        timeoutMs: 1_000,
      });
      await assert.rejects(clock.run(pending), {
        code: "not_found",
        message: "Cannot remove pod: x",
      });
    },
  );
});

Deno.test("sendRequest() throws internal with the message when the handler throws a foreign error", async () => {
  await withPair(
    () => {
      throw new TypeError("boom");
    },
    async (operator, clock) => {
      const pending = operator.request(Method.REMOVE_POD, NOTHING, {
        timeoutMs: 1_000,
      });
      await assert.rejects(clock.run(pending), {
        code: "internal",
        message: "Cannot serve REMOVE_POD: boom",
      });
    },
  );
});

Deno.test("sendRequest() throws timed_out, stops the handler and ignores a late response", async () => {
  let reason: unknown;
  await withPair(
    async (_method, _payload, signal) => {
      await whenAborted(signal);
      reason = signal.reason;
      return utf8("late");
    },
    async (operator, clock) => {
      const pending = operator.request(Method.GET_STATS, NOTHING, {
        timeoutMs: 3_000,
        action: 'Cannot get statistics of device "edge-1"',
      });
      await assert.rejects(clock.run(pending), {
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

Deno.test("sendRequest() throws cancelled when its signal is aborted, before or during the exchange", async () => {
  let aborted = false;
  await withPair(
    async (_method, _payload, signal) => {
      await whenAborted(signal);
      aborted = true;
      return NOTHING;
    },
    async (operator, clock) => {
      const controller = new AbortController();
      const { signal } = controller;
      const pending = operator.request(Method.GET_STATS, NOTHING, {
        timeoutMs: 60_000,
        signal,
      });
      pending.catch(() => {});
      await clock.pass(10);
      controller.abort();
      await assert.rejects(pending, { code: "cancelled" });
      await clock.pass(10);
      assert.ok(aborted);
      await assert.rejects(
        operator.request(Method.GET_STATS, NOTHING, { timeoutMs: 9, signal }),
        { code: "cancelled" },
      );
    },
  );
});

const MEBIBYTE = 1024 * 1024;

Deno.test("sendRequest() throws too_large above 16 MiB towards the agent and 2 MiB towards the operator", async () => {
  await withPair(
    (_method, payload) =>
      Promise.resolve(
        payload.length === 1 ? new Uint8Array(2 * MEBIBYTE + 1) : payload,
      ),
    async (operator, clock) => {
      const large = new Uint8Array(2 * MEBIBYTE).fill(5);
      const options = { timeoutMs: 60_000 };
      const response = await clock.run(
        operator.request(Method.APPLY_POD, large, options),
      );
      assert.ok(equalBytes(response, large));
      await assert.rejects(
        operator.request(
          Method.APPLY_POD,
          new Uint8Array(16 * MEBIBYTE + 1),
          options,
        ),
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

Deno.test("sendRequest() throws timed_out when there is no link in time", async () => {
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock });
  const pending = operator.request(Method.LIST_PODS, NOTHING, {
    timeoutMs: 45_000,
  });
  const beginMs = clock.monotonicMs();
  await assert.rejects(clock.run(pending), { code: "timed_out" });
  assert.equal(clock.monotonicMs() - beginMs, 45_000);
  await operator.close();
});

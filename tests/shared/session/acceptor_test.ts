// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  concatBytes,
  whenAborted,
} from "../../../lib/shared/base/mod.ts";
import type {
  Session,
  SessionHandlers,
} from "../../../lib/shared/session/mod.ts";
import {
  encodeMessage,
  EnvelopeKind,
  MAX_VALUE_BYTES,
  Method,
  OpenSchema,
} from "../../../lib/shared/wire/mod.ts";
import { connect, makeSession, NO_HANDLERS } from "./_support/pair.ts";
import { ScriptedPeer } from "./_support/scripted_peer.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const NOTHING = new Uint8Array(0);

/** Runs a test on two connected sessions whose agent has these handlers. */
async function withPair(
  handlers: Partial<SessionHandlers>,
  test: (operator: Session, clock: VirtualClock) => Promise<void>,
): Promise<void> {
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", {
    clock,
    handlers: { ...NO_HANDLERS, ...handlers },
  });
  const link = await clock.run(connect({ operator, agent, clock }));
  await test(operator, clock);
  await clock.run(Promise.all([operator.close(), agent.close(), link.ended]));
  assert.equal(agent.stats().handlerCount, 0);
}

Deno.test("Acceptor resets the stream with the error of the handler", async () => {
  const stream = () =>
    Promise.reject(new AranyaError("forbidden", "Cannot exec: disabled"));
  await withPair({ stream }, async (operator, clock) => {
    const opened = operator.open(Method.EXEC, NOTHING);
    await assert.rejects(clock.run(opened.result), {
      code: "forbidden",
      message: "Cannot exec: disabled",
    });
  });
});

Deno.test("Acceptor resets the stream when the handler returns no result", async () => {
  const stream = () => Promise.resolve();
  await withPair({ stream }, async (operator, clock) => {
    const opened = operator.open(Method.EXEC, NOTHING);
    await assert.rejects(clock.run(opened.result), {
      code: "internal",
      message: "Cannot serve EXEC: the handler returned no result",
    });
  });
});

Deno.test("Acceptor sends a response of the largest size, and resets the stream of a larger one", async () => {
  const limitBytes = MAX_VALUE_BYTES.operator;
  let responseBytes = limitBytes;
  const request = () => Promise.resolve(new Uint8Array(responseBytes));
  await withPair({ request }, async (operator, clock) => {
    const options = { timeoutMs: 60_000 };
    const send = () =>
      clock.run(operator.request(Method.LIST_PODS, NOTHING, options));
    assert.equal((await send()).length, limitBytes);
    responseBytes++;
    await assert.rejects(send(), {
      code: "too_large",
      message: `Cannot serve LIST_PODS: the response has ${
        limitBytes + 1
      } bytes, expected at most ${limitBytes}`,
    });
  });
});

Deno.test("Acceptor aborts the handler's signal when the response was sent", async () => {
  let seen: AbortSignal | undefined;
  const request: SessionHandlers["request"] = (_method, payload, signal) => {
    seen = signal;
    return Promise.resolve(payload);
  };
  await withPair({ request }, async (operator, clock) => {
    const options = { timeoutMs: 1_000 };
    await clock.run(operator.request(Method.LIST_PODS, NOTHING, options));
    assert.equal(seen?.aborted, true);
  });
});

Deno.test("Acceptor stops a handler at the deadline of the opener when the link is lost", async () => {
  let stoppedMs = 0;
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", {
    clock,
    handlers: {
      async request(_method, _payload, signal) {
        await whenAborted(signal);
        stoppedMs = clock.monotonicMs();
        return NOTHING;
      },
      stream: () => Promise.resolve(),
    },
  });
  const link = await clock.run(connect({ operator, agent, clock }));
  const beginMs = clock.monotonicMs();
  const pending = operator.request(Method.GET_STATS, NOTHING, {
    timeoutMs: 5_000,
  });
  pending.catch(() => {});
  await clock.pass(10);
  link.cut();
  await clock.run(link.ended);
  await assert.rejects(clock.run(pending), { code: "timed_out" });
  await clock.pass(100);
  assert.ok(Math.abs(stoppedMs - beginMs - 5_000) < 100);
  await clock.run(Promise.all([operator.close(), agent.close()]));
});

Deno.test("Acceptor resets a stream whose OPEN has more fields than any version's", async () => {
  const clock = new VirtualClock();
  const served: number[] = [];
  const session = makeSession("operator", {
    clock,
    handlers: {
      request: (method) => {
        served.push(method);
        return Promise.resolve(new Uint8Array(0));
      },
      stream: () => Promise.reject(new Error("unexpected stream")),
    },
  });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  const open = encodeMessage(OpenSchema, { method: Method.REPORT_PODS });
  // Fields of later versions: number 15, a varint.
  for (const [stream, count] of [[2, 63], [4, 64]] as const) {
    const fields = Array.from({ length: count }, () => [0x78, 1]).flat();
    peer.send({
      kind: EnvelopeKind.OPEN,
      stream,
      payload: concatBytes([open, Uint8Array.from(fields)]),
    });
  }
  await clock.pass(100);
  assert.deepEqual(served, [Method.REPORT_PODS]);
  const resets = peer.receivedOf(EnvelopeKind.RESET);
  assert.deepEqual(resets.map(({ stream }) => stream), [4]);
  peer.cut();
  await clock.run(peer.ended);
  await clock.run(session.close());
});

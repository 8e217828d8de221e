// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  decodeMessage,
  encodeMessage,
  EnvelopeKind,
  GoodbyeSchema,
  Method,
} from "../../../lib/shared/wire/mod.ts";
import type { SessionHandlers } from "../../../lib/shared/session/mod.ts";
import { connect, gather, makeSession } from "./_support/pair.ts";
import { ScriptedPeer } from "./_support/scripted_peer.ts";
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

/** Opens a stream and connects a peer that sends a wrong packet of its own. */
async function breakProtocol(
  clock: VirtualClock,
  misbehave: (peer: ScriptedPeer, stream: number) => void,
) {
  const operator = makeSession("operator", { clock });
  const instanceId = crypto.getRandomValues(new Uint8Array(16));
  const first = await clock.run(
    ScriptedPeer.connect(operator, { clock, instanceId }),
  );
  const stream = operator.open(Method.EXEC, utf8(""));
  await clock.pass(100);
  misbehave(first, 1);
  await clock.run(first.ended);
  const second = await clock.run(
    ScriptedPeer.connect(operator, {
      clock,
      instanceId,
      peerInstanceId: operator.instanceId,
    }),
  );
  const { isResumed } = second;
  second.cut();
  await clock.run(second.ended);
  return { isResumed, stream };
}

Deno.test("run() does not resume after the peer broke the protocol: the fault would repeat", async () => {
  const wrongPackets: ((peer: ScriptedPeer, stream: number) => void)[] = [
    (peer, stream) =>
      peer.send({ kind: EnvelopeKind.DATA, stream, sequence: 77 }),
    (peer, stream) => peer.acknowledgeLink({ stream, received: 1_000_000 }),
    (peer) => peer.send({ kind: EnvelopeKind.ACK, payload: utf8("no Acks") }),
    (peer) => peer.sendPacket(utf8("no envelope")),
  ];
  for (const misbehave of wrongPackets) {
    const clock = new VirtualClock();
    const { isResumed, stream } = await breakProtocol(clock, misbehave);
    assert.equal(isResumed, false);
    await assert.rejects(stream.result, { code: "unavailable" });
  }
  const clock = new VirtualClock();
  const { isResumed } = await breakProtocol(clock, (peer) => peer.cut());
  assert.equal(isResumed, true);
});

/** Reasons in the GOODBYEs that a peer has received. */
function goodbyesOf(peer: ScriptedPeer) {
  return peer.receivedOf(EnvelopeKind.GOODBYE).map(({ payload }) => {
    const { reason, instanceEnds } = decodeMessage(GoodbyeSchema, payload);
    return { reason, instanceEnds };
  });
}

Deno.test("run() sends a GOODBYE as the last packet on a link that is replaced", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  const first = await clock.run(ScriptedPeer.connect(operator, { clock }));
  const second = await clock.run(ScriptedPeer.connect(operator, { clock }));
  const { reason } = await clock.run(first.ended);
  assert.equal(reason, "replaced by a newer link");
  assert.deepEqual(goodbyesOf(first), [{ reason, instanceEnds: false }]);
  assert.equal(first.received.at(-1)?.kind, EnvelopeKind.GOODBYE);
  second.cut();
  await clock.run(second.ended);
});

Deno.test("disconnect() ends the link with a GOODBYE, ignores what the peer still sends, and lets streams resume", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  const instanceId = crypto.getRandomValues(new Uint8Array(16));
  const first = await clock.run(
    ScriptedPeer.connect(operator, { clock, instanceId }),
  );
  operator.open(Method.EXEC, utf8(""));
  await clock.pass(100);
  operator.disconnect("the credential was revoked");
  assert.equal(operator.connected, false);
  first.send({ kind: EnvelopeKind.DATA, stream: 1, sequence: 99 });
  const { reason, error } = await clock.run(first.ended);
  assert.equal(reason, "the credential was revoked");
  assert.equal(error, undefined);
  assert.deepEqual(goodbyesOf(first), [{ reason, instanceEnds: false }]);
  operator.disconnect("again");
  const second = await clock.run(
    ScriptedPeer.connect(operator, {
      clock,
      instanceId,
      peerInstanceId: operator.instanceId,
    }),
  );
  assert.equal(second.isResumed, true);
  second.cut();
  await clock.run(second.ended);
});

Deno.test("disconnect() ends the link of a peer that reads nothing within a second", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  const peer = await clock.run(ScriptedPeer.connect(operator, { clock }));
  await clock.pass(100);
  peer.isReading = false;
  void operator.request(Method.LIST_PODS, utf8(""), { timeoutMs: 100 })
    .catch(() => {});
  await clock.pass(10);
  const startMs = clock.monotonicMs();
  operator.disconnect("enough");
  await clock.run(peer.ended);
  assert.ok(clock.monotonicMs() - startMs <= 1_000);
});

Deno.test("run() returns a short and printable reason whatever a GOODBYE contains", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  const peer = await clock.run(ScriptedPeer.connect(operator, { clock }));
  peer.send({
    kind: EnvelopeKind.GOODBYE,
    payload: encodeMessage(GoodbyeSchema, { reason: "\x1b".repeat(50_000) }),
  });
  const { reason } = await clock.run(peer.ended);
  assert.equal(reason, `closed by the device: ${" ".repeat(300)}`);
});

Deno.test("run() ends at a GOODBYE with the peer's reason, and keeps the streams unless its instance ends", async () => {
  for (const instanceEnds of [false, true]) {
    const clock = new VirtualClock();
    await using operator = makeSession("operator", { clock });
    const peer = await clock.run(ScriptedPeer.connect(operator, { clock }));
    const stream = operator.open(Method.EXEC, utf8(""));
    await clock.pass(100);
    peer.send({
      kind: EnvelopeKind.GOODBYE,
      payload: encodeMessage(GoodbyeSchema, {
        reason: "replaced",
        instanceEnds,
      }),
    });
    const { reason } = await clock.run(peer.ended);
    assert.equal(reason, "closed by the device: replaced");
    assert.equal(stream.signal.aborted, instanceEnds);
    stream.reset(new AranyaError("cancelled", "Cannot: test"));
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  BytePace,
  SILENT_LOGGER,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import { createMemoryLinks } from "./_support/memory_link.ts";
import { connect, gather, makeSession } from "./_support/pair.ts";
import { ScriptedPeer } from "./_support/scripted_peer.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";
import {
  AcksSchema,
  encodeEnvelope,
  encodeMessage,
  EnvelopeKind,
  Method,
} from "../../../lib/shared/wire/mod.ts";

/** A pace that forgives what takes longer than 10 s. */
function createPace(clock: VirtualClock, bytes: number): BytePace {
  return new BytePace({
    burstBytes: bytes,
    bytesPerSecond: Math.min(bytes, 128 * 1024),
    maxDelayMs: 10_000,
    clock,
  });
}

function makePair() {
  const clock = new VirtualClock();
  const handlers = {
    request: (_method: Method, payload: Uint8Array) => Promise.resolve(payload),
    stream: () => Promise.resolve(),
  };
  const operator = makeSession("operator", { clock, handlers });
  const agent = makeSession("agent", { clock, handlers });
  return { clock, operator, agent };
}

Deno.test("run() ends a link that has delivered nothing for offlineAfterMs", async () => {
  const { clock, operator, agent } = makePair();
  const link = await clock.run(
    connect({ operator, agent, clock, offlineAfterMs: 9_000 }),
  );
  link.swallow();
  const beginMs = clock.monotonicMs();
  const { operator: end } = await clock.run(link.ended);
  const tookMs = clock.monotonicMs() - beginMs;
  assert.ok(tookMs >= 9_000 && tookMs < 9_100, `it took ${tookMs} ms`);
  assert.match(end.reason, /no packet (received|accepted) for 9000 ms/);
  assert.equal(operator.connected, false);
});

Deno.test("run() ends a link that accepts no packets", async () => {
  const { clock, operator, agent } = makePair();
  const link = await clock.run(
    connect({ operator, agent, clock, offlineAfterMs: 9_000 }),
  );
  link.swallow({ block: true });
  operator.request(Method.LIST_PODS, utf8(""), { timeoutMs: 1_000 }).catch(
    () => {},
  );
  const beginMs = clock.monotonicMs();
  await clock.run(link.ended);
  assert.ok(clock.monotonicMs() - beginMs < 13_000);
});

Deno.test("run() keeps an idle link alive with few packets", async () => {
  const { clock, operator, agent } = makePair();
  let count = 0;
  const link = await clock.run(
    connect({
      operator,
      agent,
      clock,
      offlineAfterMs: 9_000,
      link: { onPacket: () => count++, latencyMs: 50 },
    }),
  );
  await clock.pass(300_000);
  assert.ok(operator.connected && agent.connected);
  assert.ok(count < 215, `${count} packets in 300 s`);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("run() replaces the current link by a newer one", async () => {
  const { clock, operator, agent } = makePair();
  const first = await clock.run(connect({ operator, agent, clock }));
  const second = await clock.run(connect({ operator, agent, clock }));
  const { operator: end } = await clock.run(first.ended);
  assert.equal(end.reason, "replaced by a newer link");
  assert.ok(operator.connected && agent.connected);
  second.cut();
  await clock.run(second.ended);
});

Deno.test("close() ends link and streams of the peer with the reason", async () => {
  const { clock, operator, agent } = makePair();
  const link = await clock.run(connect({ operator, agent, clock }));
  const asked = agent.request(Method.REPORT_FACTS, utf8(""), {
    timeoutMs: 5_000,
  });
  await clock.run(asked);
  const stream = agent.open(48 as Method, utf8(""));
  const reason = "Cannot serve devices: the operator is shutting down";
  await clock.run(operator.close(new AranyaError("unavailable", reason)));
  const ends = await clock.run(link.ended);
  assert.match(ends.agent.reason, /closed by the operator: .*shutting down/);
  await assert.rejects(stream.result, { code: "unavailable" });
  await assert.rejects(
    operator.request(Method.LIST_PODS, utf8(""), { timeoutMs: 1 }),
    { code: "unavailable", message: reason },
  );
  const late = createMemoryLinks({ clock });
  const end = await operator.run(late.operator, link.greetings.operator);
  assert.equal(end.reason, "the session is closed");
});

Deno.test("run() ends a link with garbage or a gap, and works on the next one", async () => {
  const { clock, operator, agent } = makePair();
  const gap = encodeEnvelope({
    kind: EnvelopeKind.DATA,
    stream: 2,
    sequence: 77,
    complete: true,
    payload: utf8("x"),
  });
  const garbage = Uint8Array.of(0xff, 0xff, 0xff);
  for (const packet of [gap, garbage]) {
    const link = await clock.run(connect({ operator, agent, clock }));
    await link.agent.send(packet);
    const ends = await clock.run(link.ended);
    assert.equal(ends.operator.error?.code, "invalid");
    // Over a broker the agent would see nothing else.
    assert.match(ends.agent.reason, /^closed by the operator: Cannot /);
  }
  const link = await clock.run(connect({ operator, agent, clock }));
  await clock.run(
    operator.request(Method.LIST_PODS, utf8(""), { timeoutMs: 1_000 }),
  );
  link.cut();
  await clock.run(link.ended);
});

Deno.test("run() skips link control of an unknown kind", async () => {
  const { clock, operator, agent } = makePair();
  const link = await clock.run(connect({ operator, agent, clock }));
  const payload = utf8("later");
  const kind = 999;
  await link.agent.send(
    encodeEnvelope({ kind, stream: 0, sequence: 0, complete: true, payload }),
  );
  await clock.run(
    operator.request(Method.LIST_PODS, utf8(""), { timeoutMs: 1_000 }),
  );
  link.cut();
  await clock.run(link.ended);
});

Deno.test("run() reads packets that arrived before the link was closed", async () => {
  const { clock, operator, agent } = makePair();
  const link = await clock.run(connect({ operator, agent, clock }));
  await clock.run(Promise.all([agent.close(), link.ended]));
  const ends = await link.ended;
  assert.match(ends.operator.reason, /closed by the device/);
});

Deno.test("run() ends a link whose peer sends but accepts no packet", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", { clock });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  await clock.pass(100);
  peer.isReading = false;
  const isEnded = { value: false };
  void peer.ended.then(() => isEnded.value = true);
  const startMs = clock.monotonicMs();
  while (!isEnded.value && clock.monotonicMs() - startMs < 90_000) {
    peer.send({ kind: EnvelopeKind.PING, payload: new Uint8Array(8) });
    await clock.pass(1_000);
  }
  assert.ok(isEnded.value, "the link was kept for 90 s");
  assert.ok(clock.monotonicMs() - startMs < 45_000);
  assert.equal(
    (await peer.ended).reason,
    "no packet accepted for 40000 ms",
  );
});

Deno.test("run() reads what the peer sends unasked at its pace, on the next link too", async () => {
  const clock = new VirtualClock();
  const pace = new BytePace({
    burstBytes: 50_000,
    bytesPerSecond: 10_000,
    maxDelayMs: 10_000,
    clock,
  });
  const requests: number[] = [];
  const warnings: string[] = [];
  const session = makeSession("operator", {
    clock,
    pace,
    log: { ...SILENT_LOGGER, warn: (text) => void warnings.push(text) },
    handlers: {
      request: (_method, { length }) => {
        requests.push(length);
        return Promise.resolve(new Uint8Array(0));
      },
      stream: () => Promise.reject(new Error("unexpected stream")),
    },
  });
  for (const expected of [[6, 7, 17], [1, 1, 11]]) {
    requests.length = 0;
    const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
    for (let stream = 2; stream <= 100; stream += 2) {
      peer.open(stream, Method.REPORT_PODS, new Uint8Array(10_000 - 1024 - 20));
    }
    const counts: number[] = [];
    // The first time is 0 ms after the connect.
    for (const ms of [0, 1_000, 10_000]) {
      await clock.pass(ms);
      counts.push(requests.length);
    }
    assert.deepEqual(counts, expected);
    const startMs = clock.monotonicMs();
    session.disconnect("test");
    await clock.run(peer.ended);
    // It is not kept by what is unread.
    assert.ok(clock.monotonicMs() - startMs <= 500);
    assert.equal(clock.sleeperCount, 1, "only the wait for the next link");
  }
  await clock.run(session.close());
  assert.deepEqual(warnings, [
    "peer sends too much, its link is read more slowly",
  ]);
});

/** An ACK of nothing, with 2000 fields. */
const EMPTY_ACK = encodeMessage(AcksSchema, {
  points: Array.from({ length: 500 }, (_, index) => ({
    stream: 1 + 2 * index,
    received: 1n,
    channels: [{}],
  })),
});

Deno.test("run() reads PARTs and link control at the peer's pace", async () => {
  const floods = [
    { kind: EnvelopeKind.PART, payload: new Uint8Array(8), count: 1_000 },
    { kind: EnvelopeKind.PING, payload: new Uint8Array(8), count: 1_000 },
    { kind: EnvelopeKind.ACK, payload: new Uint8Array(0), count: 1_000 },
    { kind: EnvelopeKind.ACK, payload: EMPTY_ACK, count: 96 },
    { kind: 1000, payload: new Uint8Array(8), count: 1_000 },
  ];
  for (const { count, ...envelope } of floods) {
    const clock = new VirtualClock();
    const pace = new BytePace({
      burstBytes: 64_000,
      bytesPerSecond: 1_000,
      maxDelayMs: 10_000,
      clock,
    });
    const session = makeSession("operator", { clock, pace });
    const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
    for (let sent = 0; sent < count; sent++) {
      peer.send({ ...envelope, complete: false });
    }
    peer.send({ kind: EnvelopeKind.GOODBYE });
    await clock.pass(1_000);
    assert.equal(session.connected, true, `kind ${envelope.kind}`);
    const { reason } = await clock.run(peer.ended);
    assert.match(reason, /closed by the device/);
    assert.ok(clock.monotonicMs() > 900_000, `${clock.monotonicMs()} ms`);
  }
});

Deno.test("run() delays a peer for at most a quarter of the silence that is allowed", async () => {
  const clock = new VirtualClock();
  const pace = new BytePace({
    burstBytes: 0,
    bytesPerSecond: 1_000,
    maxDelayMs: 30_000,
    clock,
  });
  const session = makeSession("operator", { clock, pace });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  peer.send({ kind: 1000, payload: new Uint8Array(60_000) });
  peer.send({ kind: EnvelopeKind.GOODBYE });
  await clock.pass(9_999);
  assert.equal(session.connected, true);
  await clock.run(peer.ended);
  assert.equal(session.connected, false);
  assert.ok(clock.monotonicMs() <= 12_000, `${clock.monotonicMs()} ms`);
});

Deno.test("run() ends a link with an ACK of more than 16,384 fields", async () => {
  for (const pointCount of [16_384, 16_385]) {
    const clock = new VirtualClock();
    const session = makeSession("operator", { clock });
    const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
    const points = Array.from({ length: pointCount }, () => ({}));
    const payload = encodeMessage(AcksSchema, { points });
    peer.send({ kind: EnvelopeKind.ACK, payload });
    await clock.pass(1_000);
    const isAllowed = pointCount === 16_384;
    assert.equal(session.connected, isAllowed);
    if (isAllowed) peer.cut();
    const { error } = await clock.run(peer.ended);
    assert.equal(error?.code, isAllowed ? undefined : "too_large");
  }
});

Deno.test("run() reads what it has asked the peer for as fast as it comes, and acknowledgements of what it has sent", async () => {
  const clock = new VirtualClock();
  const value = new Uint8Array(1_000_000);
  await using agent = makeSession("agent", {
    clock,
    handlers: {
      request: () => Promise.resolve(value),
      stream: async (_method, _payload, stream) => {
        for await (const chunk of stream.read(0)) await stream.write(1, chunk);
        await stream.finish(new Uint8Array(0));
      },
    },
  });
  await using operator = makeSession("operator", {
    clock,
    pace: new BytePace({
      burstBytes: 40_000,
      bytesPerSecond: 1_000,
      maxDelayMs: 10_000,
      clock,
    }),
  });
  const link = await clock.run(connect({ operator, agent, clock }));
  const startMs = clock.monotonicMs();
  await clock.run(
    operator.request(Method.LIST_PODS, utf8(""), { timeoutMs: 60_000 }),
  );
  const stream = operator.open(Method.EXEC, utf8(""));
  const output = gather(stream.read(1));
  for (let part = 0; part < 50; part++) {
    await clock.run(stream.write(0, value.subarray(0, 50_000)));
  }
  await stream.end(0);
  assert.equal((await clock.run(output)).length, 2_500_000);
  const tookMs = clock.monotonicMs() - startMs;
  assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("run() answers PINGs of 8 bytes only", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", { clock });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  for (const length of [0, 9, 60_000, 8]) {
    peer.send({ kind: EnvelopeKind.PING, payload: new Uint8Array(length) });
  }
  await clock.pass(100);
  assert.deepEqual(
    peer.receivedOf(EnvelopeKind.PONG).map(({ payload }) => payload.length),
    [8],
  );
  peer.cut();
  await clock.run(peer.ended);
});

Deno.test("run() reads for 1 s what arrived before a packet could not be sent, and ends with that error", async () => {
  for (const isCut of [true, false]) {
    const clock = new VirtualClock();
    const session = makeSession("operator", { clock });
    const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
    await clock.pass(100);
    peer.sendError = new AranyaError("unavailable", "Cannot send: it broke");
    peer.send({ kind: EnvelopeKind.PING, payload: new Uint8Array(8) });
    const startMs = clock.monotonicMs();
    await clock.pass(500);
    assert.equal(session.connected, true);
    // Without this the link neither closes nor delivers anything.
    if (isCut) peer.cut();
    const { error } = await clock.run(peer.ended);
    assert.equal(error?.message, "Cannot send: it broke");
    const tookMs = clock.monotonicMs() - startMs;
    const [leastMs, mostMs] = isCut ? [500, 900] : [1_000, 1_900];
    assert.ok(tookMs >= leastMs && tookMs <= mostMs, `it took ${tookMs} ms`);
  }
});

Deno.test("run() reads the ACK of many small packets without a delay", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", {
    clock,
    pace: createPace(clock, 10_000),
  });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  for (let count = 0; count < 50; count++) {
    session.open(Method.EXEC, utf8("")).result.catch(() => {});
  }
  await clock.pass(1);
  const opens = peer.receivedOf(EnvelopeKind.OPEN);
  assert.equal(opens.length, 50);
  const linkBytes = opens.reduce(
    (sum, envelope) => sum + encodeEnvelope(envelope).length,
    0,
  );
  const credit = 1_000_000n;
  const points = opens.map(({ stream }) => ({
    stream,
    credit,
    channels: [{ channel: 1, credit }],
  }));
  const payload = encodeMessage(AcksSchema, {
    linkBytes: BigInt(linkBytes),
    points,
  });
  peer.send({ kind: EnvelopeKind.ACK, payload });
  peer.send({ kind: EnvelopeKind.GOODBYE });
  const startMs = clock.monotonicMs();
  await clock.run(peer.ended);
  const tookMs = clock.monotonicMs() - startMs;
  assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
  await clock.run(session.close());
});

Deno.test("run() never delays a device whose 20 streams echo small packets", async () => {
  const clock = new VirtualClock();
  await using agent = makeSession("agent", {
    clock,
    handlers: {
      request: () => Promise.resolve(new Uint8Array(0)),
      stream: async (_method, _payload, stream) => {
        for await (const chunk of stream.read(0)) await stream.write(1, chunk);
        await stream.finish(new Uint8Array(0));
      },
    },
  });
  const warnings: string[] = [];
  await using operator = makeSession("operator", {
    clock,
    pace: createPace(clock, 128 * 1024),
    log: { ...SILENT_LOGGER, warn: (text) => void warnings.push(text) },
  });
  const link = await clock.run(
    connect({ operator, agent, clock, link: { latencyMs: 5 } }),
  );
  const startMs = clock.monotonicMs();
  const echo = async () => {
    const stream = operator.open(Method.EXEC, utf8(""));
    const replies = stream.read(1)[Symbol.asyncIterator]();
    for (let count = 0; count < 40; count++) {
      await stream.write(0, utf8("ping"));
      await replies.next();
    }
    await stream.end(0);
    await replies.next();
  };
  await clock.run(Promise.all(Array.from({ length: 20 }, echo)));
  const tookMs = clock.monotonicMs() - startMs;
  link.cut();
  await clock.run(link.ended);
  assert.deepEqual(warnings, []);
  assert.ok(tookMs < 15_000, `it took ${tookMs} ms`);
});

Deno.test("run() reads empty pieces of a response, and what follows a reset, at the peer's pace", async () => {
  for (const isReset of [false, true]) {
    const clock = new VirtualClock();
    const session = makeSession("operator", {
      clock,
      pace: createPace(clock, 64_000),
    });
    const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
    const stream = session.open(Method.EXEC, utf8(""));
    stream.result.catch(() => {});
    await clock.pass(1);
    if (isReset) stream.reset(new AranyaError("cancelled", "enough"));
    const kind = isReset ? EnvelopeKind.DATA : EnvelopeKind.RESULT;
    // After a reset, what was on its way costs nothing.
    const payload = new Uint8Array(isReset ? 60_000 : 0);
    for (let count = 0; count < (isReset ? 300 : 1_000); count++) {
      peer.send({ kind, stream: 1, payload, complete: false });
    }
    peer.send({ kind: EnvelopeKind.GOODBYE });
    const startMs = clock.monotonicMs();
    await clock.run(peer.ended);
    const tookMs = clock.monotonicMs() - startMs;
    assert.ok(tookMs > 9_000, `it took ${tookMs} ms`);
    await clock.run(session.close());
  }
});

Deno.test("run() drops what was on its way when a stream was reset without any delay", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", {
    clock,
    pace: createPace(clock, 64_000),
  });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  const stream = session.open(Method.EXEC, utf8(""));
  stream.result.catch(() => {});
  await clock.pass(1);
  stream.reset(new AranyaError("cancelled", "enough"));
  for (let count = 0; count < 64; count++) {
    const payload = new Uint8Array(65_000);
    peer.send({ kind: EnvelopeKind.DATA, stream: 1, payload });
  }
  peer.send({ kind: EnvelopeKind.GOODBYE });
  const startMs = clock.monotonicMs();
  await clock.run(peer.ended);
  const tookMs = clock.monotonicMs() - startMs;
  assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
  await clock.run(session.close());
});

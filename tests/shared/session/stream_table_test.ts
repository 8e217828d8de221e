// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  fromUtf8,
  MemoryPool,
  SILENT_LOGGER,
  utf8,
  whenAborted,
} from "../../../lib/shared/base/mod.ts";
import type {
  Session,
  SessionHandlers,
} from "../../../lib/shared/session/mod.ts";
import {
  decodeEnvelope,
  decodeMessage,
  encodeEnvelope,
  encodeMessage,
  EnvelopeKind,
  Method,
  OpenSchema,
  UnknownStreamsSchema,
} from "../../../lib/shared/wire/mod.ts";
import {
  connect,
  type Connection,
  gather,
  type LinkOptions,
  makeSession,
} from "./_support/pair.ts";
import { createMemoryLinks } from "./_support/memory_link.ts";
import { exchange, hash, MIRROR } from "./_support/mirror.ts";
import { createRandom, type Random } from "../../../dev/base/random.ts";
import { ScriptedPeer } from "./_support/scripted_peer.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

async function sendRequest(session: Session, random: Random): Promise<void> {
  const bytes = random.bytes(random.below(150_000));
  const response = await session.request(Method.APPLY_POD, bytes, {
    timeoutMs: 3_600_000,
  });
  assert.equal(fromUtf8(response), hash(bytes));
}

/** Connects the sessions over links that are cut again and again; returns the number of cuts. */
async function keepConnected(
  { operator, agent, clock, random, linkOf, stop }: {
    operator: Session;
    agent: Session;
    clock: VirtualClock;
    random: Random;
    linkOf: () => LinkOptions;
    stop: { requested: boolean };
  },
): Promise<number> {
  let cuts = 0;
  while (!stop.requested) {
    let left = 20 + random.below(400);
    const current: { connection?: Connection } = {};
    const connection = await connect({
      operator,
      agent,
      clock,
      link: {
        ...linkOf(),
        onPacket: () => {
          if (--left === 0 && !stop.requested) {
            current.connection?.cut();
            cuts++;
          }
        },
      },
    });
    current.connection = connection;
    if (left <= 0) connection.cut();
    await Promise.race([
      connection.ended,
      clock.sleep(5_000).then(() => connection.cut()),
    ]);
    await connection.ended;
    await clock.sleep(random.below(3_000));
  }
  return cuts;
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`resume() loses no byte when links are cut again and again, seed ${seed}`, async () => {
    const clock = new VirtualClock();
    const random = createRandom(seed);
    await using operator = makeSession("operator", { clock, handlers: MIRROR });
    await using agent = makeSession("agent", { clock, handlers: MIRROR });
    const stop = { requested: false };
    const linkOf = (): LinkOptions => ({
      bytesPerSecond: 20_000 + random.below(2_000_000),
      latencyMs: random.below(80),
      // PARTs have no sequence: a link delivers each packet once.
      duplicate: (packet) =>
        random.below(10) === 0 &&
        decodeEnvelope(packet).kind !== EnvelopeKind.PART,
      maxPacketBytes: 700 + random.below(100_000),
    });
    const cuts = keepConnected({
      operator,
      agent,
      clock,
      random,
      linkOf,
      stop,
    });
    const work = Array.from({ length: 12 }, async (_, index) => {
      const session = index % 2 === 0 ? operator : agent;
      await clock.sleep(random.below(5_000));
      if (index % 3 === 2) await sendRequest(session, random);
      else await exchange({ session, random, byteCount: 200_000 });
    });
    await clock.run(Promise.all(work));
    await clock.pass(1_000);
    stop.requested = true;
    assert.ok(
      await clock.run(cuts) >= 3,
      "the link was cut fewer than 3 times",
    );
    for (const session of [operator, agent]) {
      const { streamCount, handlerCount, unackedBytes, bufferedBytes } = session
        .stats();
      assert.deepEqual(
        { streamCount, handlerCount, unackedBytes, bufferedBytes },
        {
          streamCount: 0,
          handlerCount: 0,
          unackedBytes: 0,
          bufferedBytes: 0,
        },
      );
    }
  });
}

/** Serves streams that wait for `open` between two chunks. */
function makeGate(): { handlers: SessionHandlers; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    open: resolve,
    handlers: {
      request: (_method, payload) => Promise.resolve(payload),
      async stream(_method, _payload, stream) {
        await stream.write(1, utf8("first "));
        await Promise.race([promise, whenAborted(stream.signal)]);
        await stream.write(1, utf8("second"));
        await stream.finish(utf8("ok"));
      },
    },
  };
}

Deno.test("resume() continues a stream on the next link between the same processes", async () => {
  const clock = new VirtualClock();
  const { handlers, open } = makeGate();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers });
  const first = await clock.run(connect({ operator, agent, clock }));
  assert.equal(first.greetings.agent.welcome.resumed, false);
  const stream = operator.open(Method.EXEC, utf8(""));
  const output = gather(stream.read(1));
  await clock.pass(100);
  first.cut();
  await clock.run(first.ended);
  assert.equal(operator.connected, false);
  open();
  await clock.pass(29_000);
  const second = await clock.run(connect({ operator, agent, clock }));
  assert.equal(second.greetings.agent.welcome.resumed, true);
  // The points of a peer are not kept as long as its link.
  const { operator: greeting } = second.greetings;
  assert.deepEqual(greeting.peerPoints, []);
  assert.deepEqual(greeting.hello.resume, []);
  assert.equal(fromUtf8(await clock.run(output)), "first second");
  assert.equal(fromUtf8(await clock.run(stream.result)), "ok");
  second.cut();
  await clock.run(second.ended);
});

Deno.test("failNumbered() fails streams with unavailable after 30 s without a link", async () => {
  const clock = new VirtualClock();
  const { handlers } = makeGate();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers });
  const link = await clock.run(connect({ operator, agent, clock }));
  const stream = operator.open(Method.EXEC, utf8(""));
  await clock.pass(100);
  link.cut();
  await clock.run(link.ended);
  await clock.pass(29_900);
  assert.equal(stream.signal.aborted, false);
  await clock.pass(200);
  await assert.rejects(stream.result, { code: "unavailable", message: /30 s/ });
  await assert.rejects(stream.write(0, utf8("x")), { code: "unavailable" });
  assert.equal(operator.stats().streamCount, 0);
});

Deno.test("onPeerLost() fails streams when the agent is another process, and serves the new one", async () => {
  const clock = new VirtualClock();
  const { handlers } = makeGate();
  await using operator = makeSession("operator", { clock });
  await using before = makeSession("agent", { clock, handlers });
  await using after = makeSession("agent", { clock, handlers });
  const first = await clock.run(connect({ operator, agent: before, clock }));
  const stream = operator.open(Method.EXEC, utf8(""));
  await clock.pass(100);
  first.swallow();
  const second = await clock.run(connect({ operator, agent: after, clock }));
  assert.equal(second.greetings.operator.welcome.resumed, false);
  await assert.rejects(stream.result, {
    code: "unavailable",
    message: "Cannot reach the device: it was restarted",
  });
  assert.equal(
    (await clock.run(first.ended)).operator.reason,
    "replaced by a newer link",
  );
  const response = await clock.run(
    operator.request(Method.GET_STATS, utf8("?"), { timeoutMs: 1_000 }),
  );
  assert.equal(fromUtf8(response), "?");
  second.cut();
  await clock.run(second.ended);
});

Deno.test("onUnknownStreamsReceived() fails a stream that the peer has dropped", async () => {
  const clock = new VirtualClock();
  const { handlers } = makeGate();
  await using operator = makeSession("operator", {
    clock,
    resumeWindowMs: 60_000,
  });
  await using agent = makeSession("agent", {
    clock,
    handlers,
    resumeWindowMs: 1_000,
  });
  const first = await clock.run(connect({ operator, agent, clock }));
  const stream = operator.open(Method.EXEC, utf8(""));
  await clock.pass(100);
  first.cut();
  await clock.run(first.ended);
  await clock.pass(5_000);
  const second = await clock.run(connect({ operator, agent, clock }));
  await assert.rejects(clock.run(stream.result), {
    code: "unavailable",
    message: "Cannot continue stream: the device no longer knows it",
  });
  second.cut();
  await clock.run(second.ended);
});

Deno.test("resume() fails a stream whose OPEN was received but dropped before it was acknowledged", async () => {
  const clock = new VirtualClock();
  const { handlers } = makeGate();
  await using operator = makeSession("operator", {
    clock,
    resumeWindowMs: 60_000,
  });
  await using agent = makeSession("agent", {
    clock,
    handlers,
    resumeWindowMs: 1_000,
  });
  const first = await clock.run(
    connect({ operator, agent, clock, link: { latencyMs: 50 } }),
  );
  const stream = operator.open(Method.EXEC, utf8(""));
  // Long enough for the OPEN to arrive, too short for its acknowledgement.
  await clock.pass(60);
  first.cut();
  await clock.run(first.ended);
  await clock.pass(5_000);
  const second = await clock.run(connect({ operator, agent, clock }));
  await assert.rejects(clock.run(stream.result), { code: "unavailable" });
  second.cut();
  await clock.run(second.ended);
});

Deno.test("failExpired() fails a stream that waited too long for the first link", async () => {
  const clock = new VirtualClock();
  const { handlers, open } = makeGate();
  open();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers });
  const early = operator.open(Method.EXEC, utf8(""));
  await clock.pass(30_100);
  await assert.rejects(early.result, { code: "unavailable" });
  const late = operator.open(Method.EXEC, utf8(""));
  const link = await clock.run(connect({ operator, agent, clock }));
  assert.equal(fromUtf8(await clock.run(late.result)), "ok");
  link.cut();
  await clock.run(link.ended);
});

Deno.test("onStreamClosed() leaves nothing behind after thousands of streams", async () => {
  const clock = new VirtualClock();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", { clock, handlers: MIRROR });
  const link = await clock.run(connect({ operator, agent, clock }));
  const one = async (index: number) => {
    if (index % 4 === 0) {
      await operator.request(Method.LIST_PODS, utf8("?"), { timeoutMs: 9_000 });
      return;
    }
    const controller = new AbortController();
    const stream = operator.open(Method.EXEC, utf8(""), controller);
    if (index % 4 === 1) return controller.abort();
    if (index % 4 === 2) {
      await stream.write(0, utf8("x"));
      return stream.reset(
        new AranyaError("cancelled", "Cannot use stream: test"),
      );
    }
    await Promise.all([stream.end(0), stream.end(1)]);
    await stream.result;
  };
  for (let round = 0; round < 40; round++) {
    const work = Array.from({ length: 100 }, (_, index) => one(index));
    await clock.run(Promise.all(work));
  }
  await clock.pass(1_000);
  for (const session of [operator, agent]) {
    const stats = session.stats();
    assert.equal(stats.streamCount, 0);
    assert.equal(stats.handlerCount, 0);
    assert.equal(stats.unackedBytes, 0);
    assert.equal(stats.link.inFlightBytes, 0);
  }
  // Only the timers of PINGs are left, one per side.
  assert.ok(clock.sleeperCount <= 2, `${clock.sleeperCount} timers are left`);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("onEnvelopeReceived() resets streams above the limit", async () => {
  const clock = new VirtualClock();
  const { handlers } = makeGate();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", {
    clock,
    handlers,
    maxStreamCount: 2,
  });
  const link = await clock.run(connect({ operator, agent, clock }));
  const streams = [1, 2, 3].map(() => operator.open(Method.EXEC, utf8("")));
  await assert.rejects(
    clock.run(Promise.race(streams.map((each) => each.result))),
    {
      code: "unavailable",
      message: "Cannot accept stream: 2 are open, the most allowed",
    },
  );
  assert.deepEqual(streams.map((each) => each.signal.aborted), [
    false,
    false,
    true,
  ]);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("onEnvelopeReceived() closes the link of a peer that keeps opening streams above the limit", async () => {
  const clock = new VirtualClock();
  const { handlers } = makeGate();
  await using operator = makeSession("operator", { clock });
  await using agent = makeSession("agent", {
    clock,
    handlers,
    maxStreamCount: 2,
  });
  const connection = await clock.run(connect({ operator, agent, clock }));
  const links = createMemoryLinks({ clock });
  const ended = agent.run(links.agent, connection.greetings.agent);
  for (let stream = 1; stream < 20; stream += 2) {
    await links.operator.send(encodeEnvelope({
      kind: EnvelopeKind.OPEN,
      stream,
      sequence: 0,
      complete: true,
      payload: encodeMessage(OpenSchema, { method: Method.EXEC }),
    })).catch(() => {});
  }
  const { error } = await clock.run(ended);
  assert.match(error?.message ?? "", /opened 4 streams/);
});

Deno.test("onEnvelopeReceived() reports unknown streams in few packets, however many the peer names without reading", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", { clock });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  await clock.pass(100);
  peer.isReading = false;
  for (let index = 0; index < 20_000; index++) {
    peer.send({ kind: EnvelopeKind.DATA, stream: 2 * index + 1, sequence: 0 });
  }
  await clock.pass(100);
  peer.read();
  await clock.pass(1_000);
  const packets = peer.receivedOf(EnvelopeKind.UNKNOWN_STREAMS);
  assert.ok(packets.length < 10, `${packets.length} packets`);
  const { streams } = decodeMessage(
    UnknownStreamsSchema,
    packets[0]?.payload ?? utf8(""),
  );
  assert.equal(streams[0], 1);
  peer.cut();
  await clock.run(peer.ended);
});

Deno.test("onEnvelopeReceived() reports each unknown stream once per link", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", { clock });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  for (let index = 0; index < 5; index++) {
    peer.send({ kind: EnvelopeKind.DATA, stream: 7, sequence: index });
    await clock.pass(50);
  }
  const packets = peer.receivedOf(EnvelopeKind.UNKNOWN_STREAMS);
  assert.deepEqual(
    packets.map(({ payload }) =>
      decodeMessage(UnknownStreamsSchema, payload).streams
    ),
    [[7]],
  );
  peer.cut();
  await clock.run(peer.ended);
});

/** Handlers whose requests never end. */
const STUCK: SessionHandlers = {
  request: () => new Promise(() => {}),
  stream: () => Promise.reject(new Error("unexpected stream")),
};

Deno.test("onEnvelopeReceived() resets requests above four values that are handled or answered", async () => {
  for (const isAnswered of [false, true]) {
    const clock = new VirtualClock();
    const value = new Uint8Array(50_000);
    const session = makeSession("operator", {
      clock,
      maxValueBytes: 64 * 1024,
      handlers: isAnswered
        ? { ...STUCK, request: () => Promise.resolve(value) }
        : STUCK,
    });
    const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
    for (let index = 1; index <= 20; index++) {
      const request = isAnswered ? utf8("?") : value;
      peer.open(2 * index, Method.FETCH_BLOBS, request);
    }
    await clock.pass(100);
    const { unackedBytes } = session.stats();
    assert.ok(unackedBytes < 300_000, `${unackedBytes} bytes`);
    peer.acknowledgeLink();
    await clock.pass(100);
    const resets = peer.receivedOf(EnvelopeKind.RESET);
    // Five of 50,000 bytes are below 256 KiB.
    assert.equal(resets.length, 15);
    assert.match(fromUtf8(resets[0]?.payload ?? utf8("")), /unavailable/);
    peer.cut();
    await clock.run(peer.ended);
    await clock.run(session.close());
  }
});

Deno.test("onEnvelopeReceived() resets values when those of all sessions hold too much, and keeps small ones", async () => {
  const clock = new VirtualClock();
  const pool = new MemoryPool({ guaranteedBytes: 4000, reserveBytes: 100_000 });
  const makeOne = () =>
    makeSession("operator", {
      clock,
      memory: pool.join(),
      handlers: {
        ...STUCK,
        request: (_method, payload) => Promise.resolve(payload),
      },
    });
  const [greedy, modest] = [makeOne(), makeOne()];
  const [thief, peer] = await clock.run(Promise.all([
    ScriptedPeer.connect(greedy, { clock }),
    ScriptedPeer.connect(modest, { clock }),
  ]));
  const send = (
    to: ScriptedPeer,
    { kind = EnvelopeKind.OPEN, stream, length }: {
      kind?: EnvelopeKind;
      stream: number;
      length: number;
    },
  ) =>
    to.send({
      kind,
      stream,
      complete: false,
      payload: new Uint8Array(length),
    });
  for (const stream of [2, 4, 6, 8]) send(thief, { stream, length: 20_000 });
  send(thief, { kind: EnvelopeKind.PART, stream: 0, length: 20_000 });
  await clock.pass(100);
  assert.equal(pool.reservedBytes, 96_000);
  assert.equal(thief.receivedOf(EnvelopeKind.RESET).length, 0);
  send(peer, { stream: 2, length: 30_000 });
  peer.open(4, Method.REPORT_PODS, new Uint8Array(1900));
  await clock.pass(100);
  const [reset, ...others] = peer.receivedOf(EnvelopeKind.RESET);
  assert.equal(reset?.stream, 2);
  assert.match(fromUtf8(reset?.payload ?? utf8("")), /unavailable/);
  assert.deepEqual(others, []);
  const results = peer.receivedOf(EnvelopeKind.RESULT);
  assert.deepEqual(
    results.filter(({ complete }) => complete).map(({ stream }) => stream),
    [4],
  );
  // A reset value occupies nothing, whether its peer acknowledges that or not.
  send(peer, { stream: 6, length: 1900 });
  await clock.pass(100);
  assert.equal(peer.receivedOf(EnvelopeKind.RESET).length, 1);
  await clock.run(greedy.close());
  assert.equal(pool.reservedBytes, 0);
  send(peer, { stream: 6, length: 30_000 });
  await clock.pass(100);
  assert.equal(peer.receivedOf(EnvelopeKind.RESET).length, 1);
  await clock.run(modest.close());
  assert.equal(pool.reservedBytes, 0);
});

Deno.test("onEnvelopeReceived() gives back the memory of values that are reset, received or acknowledged", async () => {
  const clock = new VirtualClock();
  const pool = new MemoryPool({ guaranteedBytes: 0, reserveBytes: 100_000 });
  const session = makeSession("operator", {
    clock,
    memory: pool.join(),
    handlers: {
      ...STUCK,
      request: () => Promise.resolve(new Uint8Array(50_000)),
    },
  });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  const sendPiece = async (stream: number, length: number) => {
    peer.send({
      kind: EnvelopeKind.OPEN,
      stream,
      complete: false,
      payload: new Uint8Array(length),
    });
    await clock.pass(100);
    return pool.reservedBytes;
  };
  // Reset by the peer.
  assert.equal(await sendPiece(2, 30_000), 30_000);
  peer.send({ kind: EnvelopeKind.RESET, stream: 2 });
  await clock.pass(100);
  assert.equal(pool.reservedBytes, 0);
  // Reset for want of memory; what is sent of the RESET counts until it is acknowledged.
  assert.equal(await sendPiece(4, 60_000), 60_000);
  assert.ok(await sendPiece(4, 60_000) < 200);
  const [reset] = peer.receivedOf(EnvelopeKind.RESET);
  peer.acknowledgeLink({
    stream: 4,
    received: 1 + (reset?.payload.length ?? 0),
  });
  await clock.pass(100);
  assert.equal(pool.reservedBytes, 0);
  // A response, as a value and then as packets.
  peer.open(6, Method.FETCH_BLOBS);
  await clock.pass(100);
  assert.ok(pool.reservedBytes >= 50_000, `${pool.reservedBytes} bytes`);
  for (let round = 0; round < 10; round++) {
    peer.acknowledgeLink({ stream: 6 });
    await clock.pass(100);
  }
  const sent = peer.receivedOf(EnvelopeKind.RESULT);
  assert.equal(sent.at(-1)?.complete, true);
  assert.ok(pool.reservedBytes < 52_000, `${pool.reservedBytes} bytes`);
  const lengths = sent.slice(0, -1).map(({ payload }) => 1 + payload.length);
  const received = lengths.reduce((sum, length) => sum + length, 0);
  peer.acknowledgeLink({ stream: 6, received });
  await clock.pass(100);
  assert.ok(pool.reservedBytes < 20_000, `${pool.reservedBytes} bytes`);
  peer.cut();
  await clock.run(peer.ended);
  await clock.run(session.close());
});

Deno.test("onEnvelopeReceived() accepts requests again when earlier ones are answered and acknowledged", async () => {
  const clock = new VirtualClock();
  const handlers = {
    ...STUCK,
    request: (_method: Method, payload: Uint8Array) => Promise.resolve(payload),
  };
  await using operator = makeSession("operator", {
    clock,
    handlers,
    maxValueBytes: 64 * 1024,
  });
  await using agent = makeSession("agent", { clock });
  const link = await clock.run(connect({ operator, agent, clock }));
  for (let round = 0; round < 40; round++) {
    const response = await clock.run(
      agent.request(Method.REPORT_PODS, new Uint8Array(60_000), {
        timeoutMs: 5_000,
      }),
    );
    assert.equal(response.length, 60_000);
  }
  link.cut();
  await clock.run(link.ended);
});

Deno.test("onEnvelopeReceived() closes the link of a peer whose reset requests pile up", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", {
    clock,
    handlers: STUCK,
    maxStreamCount: 10,
  });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  for (let index = 1; index <= 100; index++) {
    peer.open(2 * index, Method.REPORT_PODS);
    peer.send({ kind: EnvelopeKind.RESET, stream: 2 * index });
  }
  const { error } = await clock.run(peer.ended);
  assert.equal(error?.code, "invalid");
  assert.ok(session.stats().handlerCount <= 20);
  await clock.run(session.close());
});

Deno.test("onEnvelopeReceived() logs an unknown kind of envelope once", async () => {
  const clock = new VirtualClock();
  const kinds: (number | undefined)[] = [];
  const session = makeSession("operator", {
    clock,
    handlers: STUCK,
    log: { ...SILENT_LOGGER, warn: (_text, { kind } = {}) => kinds.push(kind) },
  });
  const peer = await clock.run(ScriptedPeer.connect(session, { clock }));
  peer.open(2, Method.REPORT_PODS);
  for (let index = 0; index < 300; index++) {
    peer.send({ kind: 100 + index % 2, stream: 2 });
  }
  for (let index = 0; index < 300; index++) {
    peer.send({ kind: 1000 + index, stream: 2 });
  }
  await clock.pass(100);
  assert.deepEqual(kinds.slice(0, 3), [100, 101, 1000]);
  assert.ok(kinds.length <= 64, `${kinds.length} lines`);
  peer.cut();
  await clock.run(peer.ended);
  await clock.run(session.close());
});

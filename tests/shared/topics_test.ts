// SPDX-License-Identifier: Apache-2.0
/**
 * Handshake and session over a pair of topics, as a broker has them: no connection, everybody who
 * has access can send, and frames of earlier links may arrive at any time. The transport itself is
 * a double, for the protocol must fit before there is one.
 */
import assert from "node:assert/strict";
import {
  AranyaError,
  fromUtf8,
  SILENT_LOGGER,
  utf8,
} from "../../lib/shared/base/mod.ts";
import type { Link, LinkEnd } from "../../lib/shared/link/mod.ts";
import {
  initiateHandshake,
  respondToHandshake,
} from "../../lib/shared/noise/mod.ts";
import {
  createSession,
  greetAsAgent,
  greetAsOperator,
  type Session,
  type SessionHandlers,
} from "../../lib/shared/session/mod.ts";
import {
  decodeFrame,
  encodeFrame,
  FRAME_TYPES,
  Method,
} from "../../lib/shared/wire/mod.ts";
import { Pipe } from "../../dev/base/pipe.ts";
import { until } from "../../dev/base/wait.ts";

const KEY = new Uint8Array(32).fill(1);
const DEVICE = "edge-1";

/** A frame on a topic that may be lost or come twice. */
type Deliver = (frame: Uint8Array) => Uint8Array[];

/** The topics of one device. */
class Topics {
  /** All frames that were sent on `msg`. */
  readonly sent: Uint8Array[] = [];
  /** Changes what arrives from `msg`. */
  deliver: Deliver = (frame) => [frame];
  readonly #cmd = new Set<Pipe<Uint8Array>>();
  readonly #msg = new Map<number, Pipe<Uint8Array>>();
  readonly #onLink: (link: Link) => void;

  /** @param onLink called for each HandshakeInit with a new link id */
  constructor(onLink: (link: Link) => void) {
    this.#onLink = onLink;
  }

  /** Anybody's frame to the agent. */
  publishCmd(frame: Uint8Array): Promise<void> {
    for (const pipe of this.#cmd) void pipe.write(frame).catch(() => {});
    return Promise.resolve();
  }

  /** Anybody's frame to the operator. */
  publishMsg(frame: Uint8Array): Promise<void> {
    this.sent.push(frame);
    for (const delivered of this.deliver(frame)) this.#dispatch(delivered);
    return Promise.resolve();
  }

  /** The agent's end: it gets every frame on `cmd`. */
  openAgentLink(): Link {
    const pipe = new Pipe<Uint8Array>({ capacity: Infinity });
    this.#cmd.add(pipe);
    return createLink({
      peer: "operator",
      pipe,
      send: (frame) => this.publishMsg(frame),
      onClosed: () => void this.#cmd.delete(pipe),
    });
  }

  #dispatch(frame: Uint8Array): void {
    if (frame.length < 5) return;
    const { type, linkId } = decodeFrame(frame);
    const isNew = !this.#msg.has(linkId) && type === FRAME_TYPES.handshakeInit;
    if (isNew) this.#openOperatorLink(linkId);
    void this.#msg.get(linkId)?.write(frame).catch(() => {});
  }

  /** A candidate beside the links that are up. */
  #openOperatorLink(linkId: number): void {
    const pipe = new Pipe<Uint8Array>({ capacity: Infinity });
    this.#msg.set(linkId, pipe);
    this.#onLink(createLink({
      peer: `agent:${linkId}`,
      pipe,
      send: (frame) => this.publishCmd(frame),
      onClosed: () => void this.#msg.delete(linkId),
    }));
  }
}

function createLink(
  { peer, pipe, send, onClosed }: {
    peer: string;
    pipe: Pipe<Uint8Array>;
    send: (frame: Uint8Array) => Promise<void>;
    onClosed: () => void;
  },
): Link {
  const closed = Promise.withResolvers<LinkEnd>();
  let isClosed = false;
  return {
    peer,
    maxPacketBytes: 2048,
    isExclusive: false,
    packets: pipe.readable,
    closed: closed.promise,
    send: (frame) =>
      isClosed
        ? Promise.reject(new AranyaError("unavailable", "Cannot send: closed"))
        : send(frame),
    close(reason) {
      isClosed = true;
      pipe.end();
      onClosed();
      closed.resolve({ reason });
    },
    markAuthenticated() {},
  };
}

/** An operator and an agent that reach each other by topics alone. */
class Fixture implements AsyncDisposable {
  readonly topics = new Topics((link) => void this.#accept(link));
  readonly operator: Session;
  readonly agent: Session;
  /** Codes of handshakes that failed at the operator. */
  readonly refusals: string[] = [];
  /** Why links ended, at either end. */
  readonly ends: string[] = [];
  readonly #stop = new AbortController();

  constructor() {
    const log = SILENT_LOGGER;
    const handlers: SessionHandlers = {
      request: (_method, payload) => Promise.resolve(payload),
      async stream(_method, _payload, stream) {
        for await (const chunk of stream.read(0)) await stream.write(1, chunk);
        await stream.finish(new Uint8Array(0));
      },
    };
    this.operator = createSession({ side: "operator", log, handlers });
    this.agent = createSession({ side: "agent", log, handlers });
  }

  /** Connects the agent; resolves when it was welcomed, and its link runs. */
  async connect(): Promise<{ link: Link; resumed: boolean; linkId: number }> {
    const firstIndex = this.topics.sent.length;
    const link = await initiateHandshake(this.topics.openAgentLink(), {
      device: DEVICE,
      key: KEY,
    });
    const greeting = await greetAsAgent(link, {
      session: this.agent,
      capabilities: [],
      agentVersion: "0.1.0",
      machineId: "m",
      bootId: "b",
    });
    void this.agent.run(link, greeting).then(({ reason }) =>
      this.ends.push(`agent: ${reason}`)
    );
    const init = this.topics.sent[firstIndex] ?? new Uint8Array(5);
    const { linkId } = decodeFrame(init);
    return { link, resumed: greeting.welcome.resumed, linkId };
  }

  /** Sends a request of the operator and returns the text of the response. */
  async request(text: string): Promise<string> {
    const options = { timeoutMs: 10_000 };
    return fromUtf8(
      await this.operator.request(Method.LIST_PODS, utf8(text), options),
    );
  }

  async #accept(raw: Link): Promise<void> {
    try {
      const { link } = await respondToHandshake(raw, {
        findKeys: (name) =>
          Promise.resolve(name === DEVICE ? { key: KEY } : undefined),
        signal: this.#stop.signal,
      });
      const greeting = await greetAsOperator(link, {
        decide: () => ({
          session: this.operator,
          capabilities: [],
          operatorVersion: "0.1.0",
          offlineAfterMs: 40_000,
        }),
      });
      const { reason } = await this.operator.run(link, greeting);
      this.ends.push(`operator: ${reason}`);
    } catch (error) {
      this.refusals.push(error instanceof AranyaError ? error.code : "other");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.operator.close(), this.agent.close()]);
  }
}

/** Frames that anybody with access to the broker may send, of this link id. */
function forgeFrames(linkId: number): Uint8Array[] {
  return [
    ...Object.values(FRAME_TYPES).filter((type) => type !== FRAME_TYPES.knock)
      .map((type) =>
        encodeFrame({ type, linkId, body: new Uint8Array(60).fill(7) })
      ),
    encodeFrame({ type: 99, linkId, body: new Uint8Array(3) }),
    encodeFrame({ type: FRAME_TYPES.sealed, linkId, body: new Uint8Array(0) }),
  ];
}

Deno.test("a handshake succeeds among frames of earlier links and of others", async () => {
  await using fixture = new Fixture();
  const { topics } = fixture;
  const earlier = await fixture.connect();
  const stale = topics.sent.slice();
  earlier.link.close("the device lost power");
  topics.deliver = (frame) => {
    // Before each frame of the agent: what the broker has kept, to both sides.
    for (const old of [...stale, ...forgeFrames(77)]) {
      void topics.publishCmd(old);
    }
    return [...stale, frame, frame];
  };
  const { linkId } = await fixture.connect();
  assert.notEqual(linkId, earlier.linkId);
  assert.equal(await fixture.request("hello"), "hello");
});

Deno.test("a link goes on whatever others send on its topics, with its own id too", async () => {
  await using fixture = new Fixture();
  const { topics, ends, refusals } = fixture;
  const { linkId } = await fixture.connect();
  for (const frame of [...forgeFrames(linkId), ...forgeFrames(78)]) {
    await topics.publishCmd(frame);
    await topics.publishMsg(frame);
  }
  assert.equal(await fixture.request("still there"), "still there");
  assert.deepEqual(ends, []);
  // The one with an unknown id that begins a handshake is no HandshakeInit: more is waited for.
  assert.deepEqual(refusals, []);
});

Deno.test("a handshake without the key doesn't touch the link that is up", async () => {
  await using fixture = new Fixture();
  const { topics, ends, refusals } = fixture;
  await fixture.connect();
  await assert.rejects(
    initiateHandshake(topics.openAgentLink(), {
      device: DEVICE,
      key: new Uint8Array(32),
      refusalGraceMs: 10,
    }),
    { code: "unauthorized" },
  );
  assert.deepEqual(refusals, ["unauthorized"]);
  assert.equal(await fixture.request("still there"), "still there");
  assert.deepEqual(ends, []);
});

Deno.test("a newer link replaces one that is up, whose end is visible at once", async () => {
  await using fixture = new Fixture();
  const { operator, ends } = fixture;
  await fixture.connect();
  const stream = operator.open(Method.EXEC, new Uint8Array(0));
  const output = stream.read(1)[Symbol.asyncIterator]();
  await stream.write(0, utf8("one"));
  assert.equal(fromUtf8((await output.next()).value), "one");
  const { resumed } = await fixture.connect();
  assert.equal(resumed, true);
  await until(() => ends.length === 2, "both ends of the first link");
  assert.match(ends.join(), /operator: replaced by a newer link/);
  await stream.write(0, utf8("two"));
  assert.equal(fromUtf8((await output.next()).value), "two");
});

Deno.test("both sides know at once that a frame was lost, and the next link resumes the streams", async () => {
  await using fixture = new Fixture();
  const { operator, topics, ends } = fixture;
  const { linkId } = await fixture.connect();
  const stream = operator.open(Method.EXEC, new Uint8Array(0));
  const output = stream.read(1)[Symbol.asyncIterator]();
  const isSealed = (frame: Uint8Array) => {
    const { type, linkId: id } = decodeFrame(frame);
    return type === FRAME_TYPES.sealed && id === linkId;
  };
  let lostCount = 0;
  topics.deliver = (frame) =>
    isSealed(frame) && lostCount++ === 0 ? [] : [frame];
  await stream.write(0, utf8("one"));
  await stream.write(0, utf8("two"));
  // Further frames, for a gap is only seen at the next one.
  const request = fixture.request("?");
  await until(() => ends.length === 2, "the end of the link");
  assert.match(ends.join(), /operator: .* missing before it/);
  assert.match(ends.join(), /agent: closed by the operator: .* missing/);
  const { resumed } = await fixture.connect();
  assert.equal(resumed, true);
  assert.equal(await request, "?");
  const text = [(await output.next()).value, (await output.next()).value];
  assert.equal(text.map((each) => fromUtf8(each)).join(), "one,two");
});

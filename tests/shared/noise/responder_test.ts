// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type AranyaError,
  defined,
  fromUtf8,
  type Meter,
  NO_METER,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import { FairSlots } from "../../../lib/shared/guard/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import {
  type AuthenticatedLink,
  initiateHandshake,
  NotLeaderError,
  respondToHandshake,
  type RespondToHandshakeOptions,
} from "../../../lib/shared/noise/mod.ts";
import {
  decodeAnswer,
  encodeInit,
  toPrologue,
} from "../../../lib/shared/noise/frames.ts";
import { NoiseHandshake } from "../../../lib/shared/noise/noise.ts";
import { createLinkPair, type Tamper } from "./_support/link_pair.ts";

const KEY = new Uint8Array(32).fill(1);
const OTHER_KEY = new Uint8Array(32).fill(2);

const findKeys = (device: string) =>
  Promise.resolve(device === "edge-1" ? { key: KEY } : undefined);

interface Handshake {
  initiator: PromiseSettledResult<Link>;
  responder: PromiseSettledResult<AuthenticatedLink>;
}

/** Runs a handshake of device "edge-1" unless another is given. */
async function shakeHands(
  { device = "edge-1", key = KEY, tamper, responder = {} }: {
    device?: string;
    key?: Uint8Array;
    tamper?: Tamper;
    responder?: Partial<RespondToHandshakeOptions>;
  } = {},
): Promise<Handshake> {
  const ends = createLinkPair(defined({ tamper }));
  const [initiated, responded] = await Promise.allSettled([
    initiateHandshake(ends.initiator, { device, key }),
    respondToHandshake(ends.responder, { findKeys, ...responder }),
  ]);
  return { initiator: initiated, responder: responded };
}

function assertRejected(
  result: PromiseSettledResult<unknown>,
  expected: { code: string; message: RegExp },
): void {
  assert.equal(result.status, "rejected");
  assert.equal(result.reason.code, expected.code);
  assert.match(result.reason.message, expected.message);
}

function assertFulfilled<T>(result: PromiseSettledResult<T>): T {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

Deno.test("respondToHandshake() and initiateHandshake() agree and carry packets both ways", async () => {
  const { initiator, responder } = await shakeHands();
  const up = assertFulfilled(initiator);
  const { link: down, ...facts } = assertFulfilled(responder);
  assert.deepEqual(facts, { device: "edge-1", key: KEY });
  assert.equal(up.maxPacketBytes, 65_536 - 29);
  const received = down.packets[Symbol.asyncIterator]();
  const answers = up.packets[Symbol.asyncIterator]();
  for (const text of ["one", "two", "x".repeat(65_000)]) {
    await up.send(utf8(text));
    assert.equal(fromUtf8((await received.next()).value), text);
    await down.send(utf8(text));
    assert.equal(fromUtf8((await answers.next()).value), text);
  }
  up.close("done");
});

Deno.test("respondToHandshake() sends the same refusal for an unknown device and a wrong credential", async () => {
  const unknown = await shakeHands({ device: "edge-2" });
  const wrong = await shakeHands({ key: OTHER_KEY });
  for (const { initiator } of [unknown, wrong]) {
    assertRejected(initiator, {
      code: "unauthorized",
      message:
        /^Cannot connect device "edge-\d" to responder:1: the operator refused: unknown device or wrong credential$/,
    });
  }
  assertRejected(unknown.responder, {
    code: "unauthorized",
    message: /"edge-2": there is no such device/,
  });
  assertRejected(wrong.responder, {
    code: "unauthorized",
    message: /"edge-1": its credential is wrong/,
  });
});

Deno.test("respondToHandshake() accepts the previous key during a rotation and returns it", async () => {
  const { initiator, responder } = await shakeHands({
    key: OTHER_KEY,
    responder: {
      findKeys: () => Promise.resolve({ key: KEY, previousKey: OTHER_KEY }),
    },
  });
  assertFulfilled(initiator).close("done");
  assert.equal(assertFulfilled(responder).key, OTHER_KEY);
});

/** Sends a first frame of this framing version and returns how the handshake failed. */
async function sendInit(
  { framingVersion, psk }: { framingVersion: number; psk: Uint8Array },
) {
  const { initiator, responder } = createLinkPair();
  const context = { framingVersion, linkId: 7, device: "edge-1" };
  const noise = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue(context),
    psk,
  });
  await initiator.send(
    encodeInit({ ...context, noise: noise.writeMessage() }),
  );
  const error = await respondToHandshake(responder, { findKeys }).then(
    () => assert.fail("the handshake succeeded"),
    (error) => error,
  );
  const { value } = await initiator.packets[Symbol.asyncIterator]().next();
  return { error, answer: decodeAnswer(value, 7) };
}

Deno.test("respondToHandshake() refuses another framing version, and reports whether the key was right", async () => {
  const proven = await sendInit({ framingVersion: 7, psk: KEY });
  assert.deepEqual(proven.answer, {
    kind: "refusal",
    refusal: { reason: 3, message: "its framing version is 7, expected 1" },
  });
  assert.equal(proven.error.code, "unsupported");
  assert.equal(proven.error.details.proven, true);
  const unproven = await sendInit({ framingVersion: 7, psk: OTHER_KEY });
  assert.equal(unproven.error.code, "unsupported");
  assert.equal(unproven.error.details.proven, false);
});

Deno.test("respondToHandshake() tries two keys for an unknown device, a wrong credential and a device in rotation alike", async () => {
  const { readMessage } = NoiseHandshake.prototype;
  let tryCount = 0;
  NoiseHandshake.prototype.readMessage = function (message) {
    // The initiator reads with this method, too, but only after a success.
    tryCount++;
    return readMessage.call(this, message);
  };
  try {
    const countTries = async (
      options: Parameters<typeof shakeHands>[0],
    ) => {
      tryCount = 0;
      const { initiator } = await shakeHands(options);
      assert.equal(initiator.status, "rejected");
      return tryCount;
    };
    const rotating = () =>
      Promise.resolve({ key: KEY, previousKey: new Uint8Array(32) });
    assert.equal(await countTries({ device: "edge-2" }), 2);
    assert.equal(await countTries({ key: OTHER_KEY }), 2);
    assert.equal(
      await countTries({ key: OTHER_KEY, responder: { findKeys: rotating } }),
      2,
    );
  } finally {
    NoiseHandshake.prototype.readMessage = readMessage;
  }
});

Deno.test("respondToHandshake() refuses as unavailable when credentials can't be looked up", async () => {
  const { initiator, responder } = await shakeHands({
    responder: { findKeys: () => Promise.reject(new Error("no apiserver")) },
  });
  assertRejected(initiator, { code: "unavailable", message: /can't look up/ });
  assertRejected(responder, {
    code: "unavailable",
    message: /can't be looked up/,
  });
});

for (const endpoint of ["10.0.0.2:9443", undefined]) {
  Deno.test(`respondToHandshake() refuses an agent that has to go to ${endpoint ?? "another operator"}`, async () => {
    const reason = "another operator leads";
    const { initiator, responder } = await shakeHands({
      responder: {
        findKeys: () =>
          Promise.reject(new NotLeaderError({ reason, endpoint })),
      },
    });
    assertRejected(responder, { code: "unavailable", message: /leads$/ });
    assertRejected(initiator, {
      code: "unavailable",
      message: /the operator refused: another operator leads$/,
    });
    assert.ok(initiator.status === "rejected");
    const { details } = initiator.reason as AranyaError;
    assert.deepEqual(details, {
      refusal: "NOT_LEADER",
      ...defined({ endpoint }),
    });
  });
}

Deno.test("respondToHandshake() rejects a replayed first message", async () => {
  let recorded: Uint8Array | undefined;
  const first = await shakeHands({
    tamper: (packet) => {
      recorded ??= packet.slice();
      return [packet];
    },
  });
  assertFulfilled(first.initiator).close("done");
  assert.ok(recorded);
  const { initiator: attacker, responder } = createLinkPair();
  const handshake = respondToHandshake(responder, {
    findKeys,
    timeoutMs: 30_000,
  });
  await attacker.send(recorded);
  // The attacker gets a reply, but has no key to seal a packet with.
  await attacker.send(
    Uint8Array.of(4, ...recorded.subarray(1, 5), ...new Uint8Array(40)),
  );
  await assert.rejects(handshake, { code: "unauthorized" });
});

Deno.test("respondToHandshake() times out when the initiator doesn't confirm, and gives its slot back", async () => {
  const slots = new FairSlots({ maxCount: 8, protectedMs: 1000 });
  const { initiator, responder, authenticated } = createLinkPair();
  const context = { framingVersion: 1, linkId: 7, device: "edge-1" };
  const noise = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue(context),
    psk: KEY,
  });
  const handshake = respondToHandshake(responder, {
    findKeys,
    slots,
    timeoutMs: 50,
  });
  await initiator.send(
    encodeInit({ ...context, noise: noise.writeMessage() }),
  );
  assert.equal(slots.count, 1);
  await assert.rejects(handshake, { code: "timed_out" });
  assert.equal(slots.count, 0);
  assert.deepEqual(authenticated, []);
  await initiator.closed;
});

Deno.test("respondToHandshake() marks the peer of the link as authenticated", async () => {
  const ends = createLinkPair();
  await Promise.all([
    initiateHandshake(ends.initiator, { device: "edge-1", key: KEY }),
    respondToHandshake(ends.responder, { findKeys }),
  ]);
  assert.deepEqual(ends.authenticated.sort(), ["initiator", "responder"]);
});

Deno.test("respondToHandshake() refuses without a free slot, before it reads anything", async () => {
  const slots = new FairSlots({ maxCount: 1, protectedMs: 1000 });
  using _slot = slots.acquire({ groups: ["a", "b"], onEvicted() {} });
  const silent = createLinkPair();
  await assert.rejects(
    respondToHandshake(silent.responder, { findKeys, slots }),
    { code: "unavailable" },
  );
  const { initiator, responder } = await shakeHands({ responder: { slots } });
  assertRejected(initiator, {
    code: "unavailable",
    message: /the operator is overloaded$/,
  });
  assertRejected(responder, {
    code: "unavailable",
    message: /too many handshakes/,
  });
});

Deno.test("respondToHandshake() skips what doesn't fit when others can send", async () => {
  const junk = [
    Uint8Array.of(9, 9, 9),
    Uint8Array.of(4, 0, 0, 0, 9, ...new Uint8Array(40)),
  ];
  const ends = createLinkPair({
    isExclusive: false,
    tamper: (packet) => [...junk, packet, packet, ...junk],
  });
  const [up, { link: down }] = await Promise.all([
    initiateHandshake(ends.initiator, { device: "edge-1", key: KEY }),
    respondToHandshake(ends.responder, { findKeys }),
  ]);
  await up.send(utf8("hello"));
  const { value } = await down.packets[Symbol.asyncIterator]().next();
  assert.equal(fromUtf8(value), "hello");
});

Deno.test("respondToHandshake() rejects any malformed first frame and closes the link", async () => {
  const frames = [
    [],
    [0],
    [1],
    [1, 0xff, 0xff, 0xff],
    [2, 1, 2],
    [4, 0, 0, 0],
    [1, ...new Uint8Array(2000)],
    [9, 9, 9],
  ];
  for (const frame of frames) {
    const { initiator, responder } = createLinkPair();
    const handshake = respondToHandshake(responder, { findKeys });
    await initiator.send(Uint8Array.from(frame));
    await assert.rejects(handshake, (error: { code: string }) => {
      assert.match(error.code, /^(invalid|unauthorized|unsupported)$/);
      return true;
    });
    await initiator.closed;
  }
});

Deno.test("respondToHandshake() counts a failure by the code that it throws", async () => {
  const codes: unknown[] = [];
  const meter: Meter = {
    ...NO_METER,
    count: (_name, { labels } = {}) => void codes.push(labels?.code),
  };
  const { responder } = createLinkPair();
  const stop = new AbortController();
  const aborted = respondToHandshake(responder, {
    findKeys,
    meter,
    signal: stop.signal,
  });
  stop.abort();
  await assert.rejects(aborted, { code: "cancelled" });
  const broken = createLinkPair();
  // An error of no known kind.
  broken.responder.send = () => Promise.reject(new TypeError("x is undefined"));
  const [, failed] = await Promise.allSettled([
    initiateHandshake(broken.initiator, { device: "edge-1", key: KEY }),
    respondToHandshake(broken.responder, { findKeys, meter }),
  ]);
  assertRejected(failed, { code: "internal", message: /x is undefined/ });
  assert.deepEqual(codes, ["cancelled", "internal"]);
});

Deno.test("respondToHandshake() rejects as cancelled when its signal is aborted", async () => {
  const { responder } = createLinkPair();
  const stop = new AbortController();
  const handshake = respondToHandshake(responder, {
    findKeys,
    signal: stop.signal,
  });
  stop.abort();
  await assert.rejects(handshake, { code: "cancelled" });
});

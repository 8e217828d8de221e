// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  type AranyaError,
  defined,
  fromUtf8,
  utf8,
} from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import {
  type AuthenticatedLink,
  HandshakeLimit,
  initiateHandshake,
  NotLeaderError,
  respondToHandshake,
  type RespondToHandshakeOptions,
} from "../../../lib/shared/noise/mod.ts";
import { encodeInit, toPrologue } from "../../../lib/shared/noise/frames.ts";
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
  { device = "edge-1", key = KEY, protocolVersion, tamper, responder = {} }: {
    device?: string;
    key?: Uint8Array;
    protocolVersion?: number;
    tamper?: Tamper;
    responder?: Partial<RespondToHandshakeOptions>;
  } = {},
): Promise<Handshake> {
  const ends = createLinkPair(defined({ tamper }));
  const [initiated, responded] = await Promise.allSettled([
    initiateHandshake(ends.initiator, {
      device,
      key,
      ...defined({ protocolVersion }),
    }),
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
  assert.deepEqual(facts, {
    device: "edge-1",
    protocolVersion: 1,
    usedPrevious: false,
  });
  assert.equal(up.maxPacketBytes, 65_536 - 25);
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

Deno.test("respondToHandshake() accepts the previous key during a rotation and reports it", async () => {
  const { initiator, responder } = await shakeHands({
    key: OTHER_KEY,
    responder: {
      findKeys: () => Promise.resolve({ key: KEY, previousKey: OTHER_KEY }),
    },
  });
  assertFulfilled(initiator).close("done");
  assert.equal(assertFulfilled(responder).usedPrevious, true);
});

Deno.test("respondToHandshake() refuses a protocol version that it doesn't serve", async () => {
  const { initiator, responder } = await shakeHands({ protocolVersion: 7 });
  assertRejected(initiator, {
    code: "unsupported",
    message: /its protocol version is 7, expected 1 to 1/,
  });
  assertRejected(responder, { code: "unsupported", message: /version is 7/ });
  assert.ok(responder.status === "rejected");
  assert.equal(responder.reason.details.proven, true);
  const unproven = await shakeHands({ protocolVersion: 7, key: OTHER_KEY });
  assert.ok(unproven.responder.status === "rejected");
  assert.equal(unproven.responder.reason.details.proven, false);
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
    timeoutMs: 2000,
  });
  await attacker.send(recorded);
  // The attacker gets a reply, but has no key to seal a packet with.
  await attacker.send(Uint8Array.of(4, ...new Uint8Array(40)));
  await assert.rejects(handshake, { code: "unauthorized" });
});

Deno.test("respondToHandshake() times out when the initiator doesn't confirm, and gives its slot back", async () => {
  const limit = new HandshakeLimit();
  const { initiator, responder } = createLinkPair();
  const noise = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue({ device: "edge-1", protocolVersion: 1 }),
    psk: KEY,
  });
  const handshake = respondToHandshake(responder, {
    findKeys,
    limit,
    timeoutMs: 50,
  });
  await initiator.send(
    encodeInit({
      device: "edge-1",
      protocolVersion: 1,
      noise: noise.writeMessage(),
    }),
  );
  assert.equal(limit.count, 1);
  await assert.rejects(handshake, { code: "timed_out" });
  assert.equal(limit.count, 0);
  await initiator.closed;
});

Deno.test("respondToHandshake() refuses when the limit is reached", async () => {
  const limit = new HandshakeLimit({ maxCount: 1 });
  using _slot = limit.acquire(() => {});
  const { initiator, responder } = await shakeHands({ responder: { limit } });
  assertRejected(initiator, {
    code: "unavailable",
    message: /the operator is overloaded$/,
  });
  assertRejected(responder, {
    code: "unavailable",
    message: /too many handshakes/,
  });
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

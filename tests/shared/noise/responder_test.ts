// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import {
  createHandshakeGate,
  secureAsAgent,
  secureAsOperator,
  type SecureAsOperatorOptions,
  type SecuredLink,
} from "../../../lib/shared/noise/mod.ts";
import { encodeInit, toPrologue } from "../../../lib/shared/noise/frames.ts";
import { NoiseHandshake } from "../../../lib/shared/noise/noise.ts";
import { createLinkPair, type Meddle } from "./_support/memory_link.ts";

const KEY = new Uint8Array(32).fill(1);
const OTHER = new Uint8Array(32).fill(2);

const lookUp = (device: string) =>
  Promise.resolve(device === "edge-1" ? { key: KEY } : undefined);

interface Handshake {
  agent: PromiseSettledResult<Link>;
  operator: PromiseSettledResult<SecuredLink>;
}

async function shakeHands(
  options: {
    device?: string;
    key?: Uint8Array;
    version?: number;
    meddle?: Meddle;
    operator?: Partial<SecureAsOperatorOptions>;
  } = {},
): Promise<Handshake> {
  const [agentEnd, operatorEnd] = createLinkPair(
    options.meddle ? { meddle: options.meddle } : {},
  );
  const [agent, operator] = await Promise.allSettled([
    secureAsAgent(agentEnd, {
      device: options.device ?? "edge-1",
      key: options.key ?? KEY,
      ...(options.version ? { protocolVersion: options.version } : {}),
    }),
    secureAsOperator(operatorEnd, { lookUp, ...options.operator }),
  ]);
  return { agent, operator };
}

function mustFail(
  result: PromiseSettledResult<unknown>,
  expected: { code: string; message: RegExp },
): void {
  assert.equal(result.status, "rejected");
  assert.equal(result.reason.code, expected.code);
  assert.match(result.reason.message, expected.message);
}

function mustSucceed<T>(result: PromiseSettledResult<T>): T {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

Deno.test("secureAsOperator() and secureAsAgent() agree and carry packets both ways", async () => {
  const { agent, operator } = await shakeHands();
  const up = mustSucceed(agent);
  const { link: down, ...facts } = mustSucceed(operator);
  assert.deepEqual(facts, {
    device: "edge-1",
    protocolVersion: 1,
    usedPrevious: false,
  });
  assert.equal(up.maxPacketBytes, 65_536 - 25);
  const atOperator = down.packets[Symbol.asyncIterator]();
  const atAgent = up.packets[Symbol.asyncIterator]();
  for (const text of ["one", "two", "x".repeat(65_000)]) {
    await up.send(utf8(text));
    assert.equal(fromUtf8((await atOperator.next()).value), text);
    await down.send(utf8(text));
    assert.equal(fromUtf8((await atAgent.next()).value), text);
  }
  up.close("done");
});

Deno.test("secureAsOperator() tells the same to an unknown device and to a wrong credential", async () => {
  const unknown = await shakeHands({ device: "edge-2" });
  const wrong = await shakeHands({ key: OTHER });
  for (const { agent } of [unknown, wrong]) {
    mustFail(agent, {
      code: "unauthorized",
      message:
        /^Cannot connect device "edge-\d" to memory:2: the operator refuses it: there is no such device, or its credential is another one$/,
    });
  }
  mustFail(unknown.operator, {
    code: "unauthorized",
    message: /"edge-2": there is no such device/,
  });
  mustFail(wrong.operator, {
    code: "unauthorized",
    message: /"edge-1": its credential is wrong/,
  });
});

Deno.test("secureAsOperator() accepts the previous key during a rotation and says so", async () => {
  const { agent, operator } = await shakeHands({
    key: OTHER,
    operator: {
      lookUp: () => Promise.resolve({ key: KEY, previousKey: OTHER }),
    },
  });
  mustSucceed(agent).close("done");
  assert.equal(mustSucceed(operator).usedPrevious, true);
});

Deno.test("secureAsOperator() refuses a protocol version that it does not serve", async () => {
  const { agent, operator } = await shakeHands({ version: 7 });
  mustFail(agent, {
    code: "unsupported",
    message: /its protocol version is 7, expected 1 to 1/,
  });
  mustFail(operator, { code: "unsupported", message: /version is 7/ });
  assert.ok(operator.status === "rejected");
  assert.equal(operator.reason.details.proven, true);
  const stranger = await shakeHands({ version: 7, key: OTHER });
  assert.ok(stranger.operator.status === "rejected");
  assert.equal(stranger.operator.reason.details.proven, false);
});

Deno.test("secureAsOperator() tells the agent to come again when credentials can't be looked up", async () => {
  const { agent, operator } = await shakeHands({
    operator: { lookUp: () => Promise.reject(new Error("no apiserver")) },
  });
  mustFail(agent, { code: "unavailable", message: /can't look up/ });
  mustFail(operator, { code: "unavailable", message: /can't be looked up/ });
});

Deno.test("secureAsOperator() does not accept a replayed first message", async () => {
  let recorded: Uint8Array | undefined;
  const first = await shakeHands({
    meddle: (packet) => {
      recorded ??= packet.slice();
      return [packet];
    },
  });
  mustSucceed(first.agent).close("done");
  const [thief, operatorEnd] = createLinkPair();
  const accepting = secureAsOperator(operatorEnd, { lookUp, timeoutMs: 2000 });
  await thief.send(recorded ?? new Uint8Array(0));
  // The thief gets a reply, but has no key to seal anything with.
  await thief.send(Uint8Array.of(4, ...new Uint8Array(40)));
  await assert.rejects(accepting, { code: "unauthorized" });
});

Deno.test("secureAsOperator() gives up on a handshake that hangs half-way", async () => {
  const gate = createHandshakeGate();
  const [thief, operatorEnd] = createLinkPair();
  const noise = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue({ device: "edge-1", protocolVersion: 1 }),
    psk: KEY,
  });
  const accepting = secureAsOperator(operatorEnd, {
    lookUp,
    gate,
    timeoutMs: 50,
  });
  await thief.send(
    encodeInit({
      device: "edge-1",
      protocolVersion: 1,
      noise: noise.writeMessage(),
    }),
  );
  await assert.rejects(accepting, { code: "timed_out" });
  assert.equal(gate.count, 0);
  await thief.closed;
});

Deno.test("secureAsOperator() refuses when the gate is full", async () => {
  const gate = createHandshakeGate({ maxCount: 1 });
  const leave = gate.enter(() => {});
  const { agent, operator } = await shakeHands({ operator: { gate } });
  mustFail(agent, { code: "unavailable", message: /too much to do/ });
  mustFail(operator, { code: "unavailable", message: /too many handshakes/ });
  leave?.();
});

Deno.test("secureAsOperator() survives any first frame", async () => {
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
    const [stranger, operatorEnd] = createLinkPair();
    const accepting = secureAsOperator(operatorEnd, { lookUp });
    await stranger.send(Uint8Array.from(frame));
    await assert.rejects(accepting, (error: { code: string }) => {
      assert.match(error.code, /^(invalid|unauthorized|unsupported)$/);
      return true;
    });
    await stranger.closed;
  }
});

Deno.test("secureAsOperator() stops with its signal", async () => {
  const [, operatorEnd] = createLinkPair();
  const stop = new AbortController();
  const accepting = secureAsOperator(operatorEnd, {
    lookUp,
    signal: stop.signal,
  });
  stop.abort();
  await assert.rejects(accepting, { code: "cancelled" });
});

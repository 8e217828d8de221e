// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Device } from "../../lib/operator/device/mod.ts";
import { LinkGate } from "../../lib/operator/link_gate.ts";
import { VirtualClock } from "../shared/session/_support/virtual_clock.ts";

const { signal } = new AbortController();
const PEER = "10.0.0.9:51234";
const DEVICE = { name: "edge-1" } as Device;

function createGate(clock = new VirtualClock()) {
  return new LinkGate({
    finder: {
      findEndpoint: (identity, peer) =>
        identity === "b" && peer === PEER ? "10.0.0.2:9443" : undefined,
    },
    clock,
  });
}

Deno.test("find() names the leader's endpoint while another operator leads", () => {
  const gate = createGate();
  const refused = (endpoint: string | undefined) => ({
    name: "AranyaError",
    code: "unavailable",
    reason: "this operator does not lead",
    endpoint,
  });
  assert.throws(() => gate.find("edge-1", PEER), refused(undefined));
  gate.setLeader({ identity: "unknown", expiresInMs: 8000 });
  assert.throws(() => gate.find("edge-1", PEER), refused(undefined));
  gate.setLeader({ identity: "b", expiresInMs: 8000 });
  assert.throws(() => gate.find("edge-1", PEER), refused("10.0.0.2:9443"));
});

Deno.test("find() returns devices while this operator leads and is not suspended", () => {
  const gate = createGate();
  const leadership = { isSuspended: false };
  const devices = {
    find: (name: string) => name === "edge-1" ? DEVICE : undefined,
  };
  {
    using _open = gate.open({ devices, leadership });
    assert.equal(gate.find("edge-1", PEER), DEVICE);
    assert.equal(gate.find("edge-2", PEER), undefined);
    leadership.isSuspended = true;
    assert.throws(() => gate.find("edge-1", PEER), {
      reason: "this operator can't reach the API server",
    });
    leadership.isSuspended = false;
    assert.equal(gate.find("edge-1", PEER), DEVICE);
  }
  assert.throws(() => gate.find("edge-1", PEER), {
    reason: "this operator does not lead",
  });
});

/** Calls `decided()`, and returns whether that has resolved. */
async function callDecided(gate: LinkGate, clock: VirtualClock) {
  let isDone = false;
  const done = gate.decided(signal).then(() => isDone = true);
  await clock.pass(0);
  return { isDone: () => isDone, done };
}

Deno.test("decided() resolves at once while another operator leads, and before any is known", async () => {
  const clock = new VirtualClock();
  const gate = createGate(clock);
  await gate.decided(signal);
  gate.setLeader({ identity: "b", expiresInMs: 3001 });
  await gate.decided(signal);
});

for (const event of ["the leader's Lease ends soon", "the election"]) {
  Deno.test(`decided() waits after ${event} until devices are served`, async () => {
    const clock = new VirtualClock();
    const gate = createGate(clock);
    if (event === "the election") gate.onElected();
    else gate.setLeader({ identity: "b", expiresInMs: 3000 });
    const { isDone, done } = await callDecided(gate, clock);
    await clock.pass(4900);
    assert.equal(isDone(), false);
    using _open = gate.open({
      devices: { find: () => DEVICE },
      leadership: { isSuspended: false },
    });
    await done;
    assert.equal(gate.find("edge-1", PEER), DEVICE);
    await gate.decided(signal);
  });
}

Deno.test("decided() resolves when the leader has renewed its Lease, or another operator has it", async () => {
  const clock = new VirtualClock();
  const gate = createGate(clock);
  gate.setLeader({ identity: "a", expiresInMs: 1000 });
  const { isDone, done } = await callDecided(gate, clock);
  assert.equal(isDone(), false);
  gate.setLeader({ identity: "b", expiresInMs: 8000 });
  await done;
  await gate.decided(signal);
});

Deno.test("decided() resolves after 5 s, and at once when nothing is read any more", async () => {
  const clock = new VirtualClock();
  const gate = createGate(clock);
  gate.setLeader({ identity: "a", expiresInMs: 3000 });
  const { isDone } = await callDecided(gate, clock);
  await clock.pass(4999);
  assert.equal(isDone(), false);
  await clock.pass(1);
  assert.equal(isDone(), true);
  await clock.pass(3000);
  await gate.decided(signal);
});

Deno.test("decided() resolves when its signal is aborted", async () => {
  const gate = createGate();
  const stop = new AbortController();
  gate.onElected();
  const waiting = gate.decided(stop.signal);
  stop.abort();
  await waiting;
});

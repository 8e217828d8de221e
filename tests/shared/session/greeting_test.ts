// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  greetAsAgent,
  greetAsOperator,
  type GreetingDecision,
} from "../../../lib/shared/session/mod.ts";
import {
  encodeControl,
  encodeMessage,
  EnvelopeKind,
  HelloSchema,
  RefusalReason,
} from "../../../lib/shared/wire/mod.ts";
import { createMemoryLinks } from "./_support/memory_link.ts";
import { connect, makeSession } from "./_support/pair.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const noDecision = () => assert.fail("decide() was called");

/** Runs a hello exchange with this decision, and returns the outcome at both ends. */
async function greet(
  decide: () => Promise<GreetingDecision> | GreetingDecision,
) {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const outcome = Promise.allSettled([
    greetAsOperator(links.operator, { clock, decide }),
    greetAsAgent(links.agent, {
      clock,
      session: makeSession("agent", { clock }),
      capabilities: [],
      agentVersion: "0.1.0",
      machineId: "m",
      bootId: "b",
    }),
  ]);
  const [operator, agent] = await clock.run(outcome);
  const end = await clock.run(links.agent.closed);
  return { operator, agent, end };
}

Deno.test("greetAsAgent() and greetAsOperator() return capabilities and instance of the peer", async () => {
  const clock = new VirtualClock();
  const operator = makeSession("operator", { clock });
  const agent = makeSession("agent", { clock });
  const link = await clock.run(connect({ operator, agent, clock }));
  const { greetings } = link;
  assert.deepEqual(greetings.operator.peerInstanceId, agent.instanceId);
  assert.deepEqual(greetings.agent.peerInstanceId, operator.instanceId);
  assert.deepEqual(greetings.operator.capabilities, ["exec"]);
  assert.deepEqual(greetings.operator.peerCapabilities, ["exec", "pods.v1"]);
  assert.deepEqual(greetings.agent.peerCapabilities, ["exec", "stats"]);
  assert.equal(greetings.operator.hello.machineId, "machine-1");
  assert.equal(greetings.agent.protocolVersion, 1);
  assert.equal(greetings.agent.welcome.offlineAfterMs, 40_000);
  assert.ok(greetings.agent.welcome.timeUnixMs > 1_700_000_000_000n);
  link.cut();
  await clock.run(link.ended);
});

Deno.test("greetAsAgent() and greetAsOperator() throw code and reason when the agent is refused", async () => {
  const { operator, agent } = await greet(() => ({
    refuse: {
      reason: RefusalReason.DUPLICATE_DEVICE,
      message: 'Cannot connect: device "edge-1" is another machine',
    },
  }));
  for (const side of [operator, agent]) {
    assert.equal(side.status, "rejected");
    const error = side.reason as AranyaError;
    assert.equal(error.code, "conflict");
    assert.match(error.message, /another machine/);
    assert.deepEqual(error.details, { reason: "DUPLICATE_DEVICE" });
  }
});

Deno.test("greetAsAgent() throws the end point when it is redirected", async () => {
  const { agent } = await greet(() => ({
    redirect: { endpoint: "shard-2:9443" },
  }));
  assert.equal(agent.status, "rejected");
  assert.deepEqual((agent.reason as AranyaError).details, {
    endpoint: "shard-2:9443",
  });
});

Deno.test("greetAsOperator() throws the error of decide, and the agent gets unavailable", async () => {
  const { operator, agent } = await greet(() =>
    Promise.reject(new AranyaError("internal", "Cannot get device: test"))
  );
  assert.equal(operator.status, "rejected");
  assert.equal(
    (operator.reason as AranyaError).message,
    "Cannot get device: test",
  );
  assert.equal(agent.status, "rejected");
  assert.equal((agent.reason as AranyaError).code, "unavailable");
});

Deno.test("greetAsOperator() refuses an agent whose versions are all unsupported", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const greeting = greetAsOperator(links.operator, {
    clock,
    decide: noDecision,
  });
  await links.agent.send(
    hello({ protocolVersion: 9, minProtocolVersion: 7 }),
  );
  await assert.rejects(clock.run(greeting), {
    code: "unsupported",
    message: /its protocol version is 9, expected 1 to 1/,
  });
});

Deno.test("greetAsOperator() accepts a newer agent that still supports this version", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const session = makeSession("operator", { clock });
  const greeting = greetAsOperator(links.operator, {
    clock,
    decide: () => ({
      session,
      capabilities: [],
      operatorVersion: "0.1.0",
      offlineAfterMs: 1_000,
    }),
  });
  await links.agent.send(
    hello({ protocolVersion: 9, minProtocolVersion: 1 }),
  );
  assert.equal((await clock.run(greeting)).protocolVersion, 1);
});

Deno.test("greetAsOperator() throws timed_out and closes the link when no hello arrives", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  await assert.rejects(
    clock.run(greetAsOperator(links.operator, { clock, decide: noDecision })),
    { code: "timed_out", message: /no answer after 10000 ms/ },
  );
  assert.match((await links.agent.closed).reason, /no answer/);
});

Deno.test("greetAsOperator() throws invalid when the first packet is not an envelope", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  await links.agent.send(utf8("GET / HTTP/1.1"));
  await assert.rejects(
    clock.run(greetAsOperator(links.operator, { clock, decide: noDecision })),
    { code: "invalid" },
  );
});

Deno.test("greetAsOperator() throws unavailable with the reason when the link ends", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  links.agent.close("agent stopped");
  await assert.rejects(
    clock.run(greetAsOperator(links.operator, { clock, decide: noDecision })),
    { code: "unavailable", message: /the link ended: agent stopped/ },
  );
});

Deno.test("greetAsOperator() throws cancelled and closes the link when its signal is aborted", async () => {
  const clock = new VirtualClock();
  const before = createMemoryLinks({ clock });
  const signal = AbortSignal.abort();
  const options = { clock, decide: noDecision };
  await assert.rejects(
    greetAsOperator(before.operator, { ...options, signal }),
    { code: "cancelled" },
  );
  const during = createMemoryLinks({ clock });
  const controller = new AbortController();
  const pending = greetAsOperator(during.operator, {
    ...options,
    signal: controller.signal,
  });
  controller.abort(new AranyaError("unavailable", "Cannot serve: test"));
  await assert.rejects(pending, { code: "cancelled" });
  assert.match((await during.agent.closed).reason, /it was cancelled/);
});

Deno.test("greetAsAgent() throws invalid when the reply has no outcome", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const pending = greetAsAgent(links.agent, {
    clock,
    session: makeSession("agent", { clock }),
    capabilities: [],
    agentVersion: "0.1.0",
    machineId: "m",
    bootId: "b",
  });
  await links.operator.send(
    encodeControl(EnvelopeKind.HELLO_REPLY, new Uint8Array(0)),
  );
  await assert.rejects(clock.run(pending), {
    code: "invalid",
    message: "Cannot connect to operator.test: unexpected reply to hello",
  });
});

function hello(
  fields: { protocolVersion: number; minProtocolVersion: number },
): Uint8Array {
  return encodeControl(EnvelopeKind.HELLO, encodeMessage(HelloSchema, fields));
}

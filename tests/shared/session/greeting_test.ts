// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  greetAsAgent,
  greetAsOperator,
  type GreetingDecision,
} from "../../../lib/shared/session/mod.ts";
import {
  encodeEnvelope,
  encodeMessage,
  EnvelopeKind,
  HelloSchema,
  RefusalReason,
} from "../../../lib/shared/wire/mod.ts";
import { createMemoryLinks } from "./_support/memory_link.ts";
import { connect, makeSession } from "./_support/pair.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

/** Greets with this decision; gives how both sides fared, and how long it took. */
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

Deno.test("greetAsAgent() and greetAsOperator() tell each other who they are and what both can do", async () => {
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

Deno.test("greetAsAgent() throws the refusal with code and reason", async () => {
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

Deno.test("greetAsAgent() throws the end point it is sent to", async () => {
  const { agent } = await greet(() => ({
    redirect: { endpoint: "shard-2:9443" },
  }));
  assert.equal(agent.status, "rejected");
  assert.deepEqual((agent.reason as AranyaError).details, {
    endpoint: "shard-2:9443",
  });
});

Deno.test("greetAsOperator() throws what decide throws, and tells the agent to come again", async () => {
  const { operator, agent } = await greet(() =>
    Promise.reject(new AranyaError("internal", "Cannot look: broken"))
  );
  assert.equal(operator.status, "rejected");
  assert.equal((operator.reason as AranyaError).message, "Cannot look: broken");
  assert.equal(agent.status, "rejected");
  assert.equal((agent.reason as AranyaError).code, "unavailable");
});

Deno.test("greetAsOperator() refuses a version that it does not speak", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const greeting = greetAsOperator(links.operator, {
    clock,
    decide: () => assert.fail("it must not come to that"),
  });
  await links.agent.send(
    hello({ protocolVersion: 9, minProtocolVersion: 7 }),
  );
  await assert.rejects(clock.run(greeting), {
    code: "unsupported",
    message: /speaks protocol version 9, expected 1 to 1/,
  });
});

Deno.test("greetAsOperator() serves a later agent that still speaks our version", async () => {
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

Deno.test("greetAsOperator() gives up on silence, garbage, an ended link and a signal", async () => {
  const clock = new VirtualClock();
  const decide = () => assert.fail("it must not come to that");
  const silent = createMemoryLinks({ clock });
  await assert.rejects(
    clock.run(greetAsOperator(silent.operator, { clock, decide })),
    { code: "timed_out", message: /no answer after 10000 ms/ },
  );
  assert.match((await silent.agent.closed).reason, /no answer/);
  const garbage = createMemoryLinks({ clock });
  await garbage.agent.send(utf8("GET / HTTP/1.1"));
  await assert.rejects(
    clock.run(greetAsOperator(garbage.operator, { clock, decide })),
    { code: "invalid" },
  );
  const ended = createMemoryLinks({ clock });
  ended.agent.close("gone");
  await assert.rejects(
    clock.run(greetAsOperator(ended.operator, { clock, decide })),
    { code: "unavailable", message: /gone/ },
  );
  const signal = AbortSignal.abort();
  const cancelled = createMemoryLinks({ clock });
  await assert.rejects(
    greetAsOperator(cancelled.operator, { clock, decide, signal }),
    { code: "cancelled" },
  );
});

function hello(
  fields: { protocolVersion: number; minProtocolVersion: number },
): Uint8Array {
  return encodeEnvelope({
    kind: EnvelopeKind.HELLO,
    stream: 0,
    sequence: 0,
    complete: true,
    payload: encodeMessage(HelloSchema, fields),
  });
}

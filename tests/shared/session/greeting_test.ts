// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AranyaError, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import {
  greetAsAgent,
  greetAsOperator,
  type Greeting,
  type GreetingDecision,
} from "../../../lib/shared/session/mod.ts";
import {
  create,
  decodeEnvelope,
  decodeMessage,
  encodeControl,
  encodeMessage,
  EnvelopeKind,
  GoodbyeSchema,
  HelloReplySchema,
  HelloSchema,
  RefusalReason,
  WelcomeSchema,
} from "../../../lib/shared/wire/mod.ts";
import { createMemoryLinks } from "./_support/memory_link.ts";
import { connect, makeSession } from "./_support/pair.ts";
import { ScriptedPeer } from "./_support/scripted_peer.ts";
import { VirtualClock } from "./_support/virtual_clock.ts";

const noDecision = () => assert.fail("decide() was called");

/** Runs the agent's end of a hello exchange. */
function greetAsTestAgent(link: Link, clock: VirtualClock): Promise<Greeting> {
  return greetAsAgent(link, {
    clock,
    session: makeSession("agent", { clock }),
    capabilities: [],
    agentVersion: "0.1.0",
    machineId: "m",
    bootId: "b",
  });
}

/** Runs a hello exchange with this decision, and returns the outcome at both ends. */
async function greet(
  decide: () => Promise<GreetingDecision> | GreetingDecision,
) {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const outcome = Promise.allSettled([
    greetAsOperator(links.operator, { clock, decide }),
    greetAsTestAgent(links.agent, clock),
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
  const pending = greetAsTestAgent(links.agent, clock);
  await links.operator.send(
    encodeControl(EnvelopeKind.HELLO_REPLY, new Uint8Array(0)),
  );
  await assert.rejects(clock.run(pending), {
    code: "invalid",
    message: "Cannot connect to operator.test: unexpected reply to hello",
  });
});

function hello(
  fields: MessageInitShape<typeof HelloSchema>,
): Uint8Array {
  return encodeControl(EnvelopeKind.HELLO, encodeMessage(HelloSchema, fields));
}

Deno.test("greetAsOperator() resumes only when both sides are the processes of the last link", async () => {
  const clock = new VirtualClock();
  const session = makeSession("operator", { clock });
  const own = session.instanceId;
  const agent = new Uint8Array(16).fill(7);
  const other = new Uint8Array(16).fill(8);
  const connectAs = async (
    instanceId: Uint8Array,
    peerInstanceId: Uint8Array,
  ) => {
    const peer = await clock.run(
      ScriptedPeer.connect(session, { clock, instanceId, peerInstanceId }),
    );
    peer.cut();
    await clock.run(peer.ended);
    return peer.isResumed;
  };
  assert.equal(await connectAs(agent, other), false);
  assert.equal(await connectAs(agent, own), true);
  // The agent knows another operator, or is another process, or knows none.
  assert.equal(await connectAs(agent, other), false);
  assert.equal(await connectAs(other, own), false);
  assert.equal(await connectAs(other, new Uint8Array(0)), false);
  assert.equal(await connectAs(new Uint8Array(0), own), false);
  assert.equal(await connectAs(other, own), false);
});

Deno.test("greetAsAgent() refuses a version that it did not offer", async () => {
  for (const protocolVersion of [0, 2]) {
    const clock = new VirtualClock();
    const links = createMemoryLinks({ clock });
    const greeting = greetAsTestAgent(links.agent, clock);
    await links.operator.send(encodeControl(
      EnvelopeKind.HELLO_REPLY,
      encodeMessage(HelloReplySchema, {
        outcome: {
          case: "welcome",
          value: create(WelcomeSchema, {
            protocolVersion,
            operatorVersion: "9.0.0",
          }),
        },
      }),
    ));
    await assert.rejects(clock.run(greeting), {
      code: "unsupported",
      message:
        `Cannot connect to operator 9.0.0: it chose protocol version ${protocolVersion}, expected 1 to 1`,
    });
  }
});

Deno.test("greetAsOperator() rejects a Hello with texts or bytes above their limits", async () => {
  const long = "x".repeat(257);
  const hellos = [
    { machineId: long },
    { bootId: long },
    { agentVersion: long },
    { instanceId: new Uint8Array(65) },
    { peerInstanceId: new Uint8Array(65) },
    { capabilities: Array.from({ length: 257 }, () => "x") },
    { capabilities: [long] },
  ];
  for (const fields of hellos) {
    const clock = new VirtualClock();
    const links = createMemoryLinks({ clock });
    const greeting = greetAsOperator(links.operator, {
      clock,
      decide: noDecision,
    });
    await links.agent.send(hello({ protocolVersion: 1, ...fields }));
    await assert.rejects(clock.run(greeting), {
      code: "invalid",
      message: /: a field of its hello is too long$/,
    });
  }
});

Deno.test("greetAsOperator() rejects a Hello with more than 8192 fields before it is decoded", async () => {
  const decided: number[] = [];
  const greet = async (pointCount: number) => {
    const clock = new VirtualClock();
    const links = createMemoryLinks({ clock });
    const greeting = greetAsOperator(links.operator, {
      clock,
      decide: ({ resume }) => {
        decided.push(resume.length);
        return { redirect: { endpoint: "" } };
      },
    });
    const resume = Array.from({ length: pointCount }, () => ({}));
    await links.agent.send(hello({ protocolVersion: 1, resume }));
    await clock.run(greeting);
  };
  await assert.rejects(greet(8_191), { code: "unavailable" });
  await assert.rejects(greet(8_192), {
    code: "too_large",
    message:
      "Cannot decode Hello: it has more than 8192 fields, the most allowed",
  });
  assert.deepEqual(decided, [8_191]);
});

Deno.test("greetAsAgent() and greetAsOperator() report the reason of a GOODBYE", async () => {
  const clock = new VirtualClock();
  const goodbye = encodeControl(
    EnvelopeKind.GOODBYE,
    encodeMessage(GoodbyeSchema, { reason: "the operator is shutting down" }),
  );
  const links = createMemoryLinks({ clock });
  const greeting = greetAsOperator(links.operator, {
    clock,
    decide: noDecision,
  });
  await links.agent.send(goodbye);
  await assert.rejects(clock.run(greeting), {
    code: "unavailable",
    message:
      "Cannot connect to agent.test: it closed the link: the operator is shutting down",
  });
});

Deno.test("greetAsOperator() sends a GOODBYE when it gives up", async () => {
  const clock = new VirtualClock();
  const links = createMemoryLinks({ clock });
  const stop = new AbortController();
  const greeting = greetAsOperator(links.operator, {
    clock,
    decide: noDecision,
    signal: stop.signal,
  });
  stop.abort(new Error("stopping"));
  await assert.rejects(clock.run(greeting), { code: "cancelled" });
  const { value } = await links.agent.packets[Symbol.asyncIterator]().next();
  const { kind, payload } = decodeEnvelope(value ?? utf8(""));
  assert.equal(kind, EnvelopeKind.GOODBYE);
  assert.match(decodeMessage(GoodbyeSchema, payload).reason, /cancelled/);
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, SILENT_LOGGER, utf8 } from "../../../lib/shared/base/mod.ts";
import { createGrpcDialer, listenGrpc } from "../../../lib/shared/link/mod.ts";
import {
  secureAsAgent,
  secureAsOperator,
} from "../../../lib/shared/noise/mod.ts";
import {
  decodeInit,
  encodeRefusal,
  encodeReply,
  toPrologue,
} from "../../../lib/shared/noise/frames.ts";
import { NoiseHandshake } from "../../../lib/shared/noise/noise.ts";
import { RefusalReason } from "../../../lib/shared/wire/mod.ts";
import { createLinkPair } from "./_support/memory_link.ts";

const KEY = new Uint8Array(32).fill(1);

async function answerWith(frame: Uint8Array): Promise<never> {
  const [agentEnd, operatorEnd] = createLinkPair();
  const securing = secureAsAgent(agentEnd, { device: "edge-1", key: KEY });
  await operatorEnd.send(frame);
  await securing;
  throw new Error("the handshake went well");
}

Deno.test("secureAsAgent() refuses an operator that does not know the credential", async () => {
  const [agentEnd, operatorEnd] = createLinkPair();
  const securing = secureAsAgent(agentEnd, { device: "edge-1", key: KEY });
  const { value } = await operatorEnd.packets[Symbol.asyncIterator]().next();
  const { device, protocolVersion } = decodeInit(value);
  const imposter = new NoiseHandshake({
    role: "responder",
    prologue: toPrologue({ device, protocolVersion }),
    psk: new Uint8Array(32).fill(9),
  });
  const peer = new NoiseHandshake({
    role: "initiator",
    prologue: toPrologue({ device, protocolVersion }),
    psk: new Uint8Array(32).fill(9),
  });
  imposter.readMessage(peer.writeMessage());
  await operatorEnd.send(encodeReply(imposter.writeMessage()));
  await assert.rejects(securing, {
    code: "unauthorized",
    message:
      'Cannot connect device "edge-1" to memory:2: the other end does not know this device\'s credential',
  });
});

Deno.test("secureAsAgent() turns each refusal into its code", async () => {
  const table: [RefusalReason, string, string][] = [
    [RefusalReason.UNKNOWN_DEVICE, "unauthorized", "UNKNOWN_DEVICE"],
    [RefusalReason.BAD_CREDENTIAL, "unauthorized", "BAD_CREDENTIAL"],
    [RefusalReason.VERSION, "unsupported", "VERSION"],
    [RefusalReason.DUPLICATE_DEVICE, "conflict", "DUPLICATE_DEVICE"],
    [RefusalReason.NOT_LEADER, "unavailable", "NOT_LEADER"],
    [RefusalReason.OVERLOADED, "unavailable", "OVERLOADED"],
    [99 as RefusalReason, "unavailable", "99"],
  ];
  for (const [reason, code, refusal] of table) {
    await assert.rejects(answerWith(encodeRefusal({ reason, message: "" })), {
      code,
      details: { refusal },
    });
  }
});

Deno.test("secureAsAgent() keeps control characters of a refusal away from the terminal", async () => {
  const frame = encodeRefusal({
    reason: RefusalReason.NOT_LEADER,
    message: "red \u001b[31m" + "x".repeat(900),
  });
  await assert.rejects(answerWith(frame), (error: Error) => {
    assert.match(error.message, /red {2}\[31mx+$/);
    assert.ok(error.message.length < 450);
    return true;
  });
});

Deno.test("secureAsAgent() refuses an answer that is none", async () => {
  for (const frame of [utf8(""), utf8("HTTP/1.1 400"), Uint8Array.of(2, 255)]) {
    await assert.rejects(answerWith(frame), { code: "invalid" });
  }
});

Deno.test("secureAsAgent() gives up on an operator that stays silent", async () => {
  const [agentEnd] = createLinkPair();
  await assert.rejects(
    secureAsAgent(agentEnd, { device: "edge-1", key: KEY, timeoutMs: 30 }),
    { code: "timed_out" },
  );
  assert.deepEqual(await agentEnd.closed, { reason: "the handshake failed" });
});

Deno.test("secureAsAgent() says why when the link ends half-way", async () => {
  const [agentEnd, operatorEnd] = createLinkPair();
  const securing = secureAsAgent(agentEnd, { device: "edge-1", key: KEY });
  operatorEnd.close("gone for lunch");
  await assert.rejects(securing, {
    code: "unavailable",
    message: /gone for lunch/,
  });
});

Deno.test("secureAsAgent() over gRPC hears the refusal before the link ends, and carries packets with the right key", async () => {
  const log = SILENT_LOGGER;
  await using listener = await listenGrpc({
    host: "127.0.0.1",
    port: 0,
    tls: "insecure",
    log,
  });
  const links = listener.links[Symbol.asyncIterator]();
  const shakeHands = async (key: Uint8Array) => {
    const [agentEnd, { value: operatorEnd }] = await Promise.all([
      createGrpcDialer({
        endpoint: `127.0.0.1:${listener.address.port}`,
        insecure: true,
        log,
      }).dial({ signal: AbortSignal.timeout(5000) }),
      links.next(),
    ]);
    assert.ok(operatorEnd);
    return await Promise.allSettled([
      secureAsAgent(agentEnd, { device: "edge-1", key }),
      secureAsOperator(operatorEnd, {
        lookUp: () => Promise.resolve({ key: KEY }),
      }),
    ]);
  };
  const [refused] = await shakeHands(new Uint8Array(32));
  assert.equal(refused.status, "rejected");
  assert.deepEqual(refused.reason.details, { refusal: "BAD_CREDENTIAL" });
  const [agent, operator] = await shakeHands(KEY);
  assert.ok(agent.status === "fulfilled" && operator.status === "fulfilled");
  await agent.value.send(utf8("hello"));
  const packets = operator.value.link.packets[Symbol.asyncIterator]();
  assert.equal(fromUtf8((await packets.next()).value), "hello");
  agent.value.close("done");
  await agent.value.closed;
});

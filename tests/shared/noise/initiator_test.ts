// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, SILENT_LOGGER, utf8 } from "../../../lib/shared/base/mod.ts";
import { createGrpcDialer, listenGrpc } from "../../../lib/shared/link/mod.ts";
import {
  initiateHandshake,
  respondToHandshake,
} from "../../../lib/shared/noise/mod.ts";
import {
  decodeInit,
  encodeRefusal,
  encodeReply,
  toPrologue,
} from "../../../lib/shared/noise/frames.ts";
import { NoiseHandshake } from "../../../lib/shared/noise/noise.ts";
import { RefusalReason } from "../../../lib/shared/wire/mod.ts";
import { createLinkPair } from "./_support/link_pair.ts";

const DEVICE = "edge-1";
const KEY = new Uint8Array(32).fill(1);
const OTHER_KEY = new Uint8Array(32).fill(9);

/** Runs a handshake against a peer that answers with this frame. */
async function handshakeWithAnswer(frame: Uint8Array): Promise<never> {
  const { initiator, responder } = createLinkPair();
  const handshake = initiateHandshake(initiator, { device: DEVICE, key: KEY });
  await responder.send(frame);
  await handshake;
  throw new Error("the handshake succeeded");
}

Deno.test("initiateHandshake() rejects a responder without the device's key", async () => {
  const { initiator, responder } = createLinkPair();
  const handshake = initiateHandshake(initiator, { device: DEVICE, key: KEY });
  const { value } = await responder.packets[Symbol.asyncIterator]().next();
  const { device, protocolVersion } = decodeInit(value);
  // A valid reply, but of a handshake with another key.
  const prologue = toPrologue({ device, protocolVersion });
  const imposter = new NoiseHandshake({
    role: "responder",
    prologue,
    psk: OTHER_KEY,
  });
  const other = new NoiseHandshake({
    role: "initiator",
    prologue,
    psk: OTHER_KEY,
  });
  imposter.readMessage(other.writeMessage());
  await responder.send(encodeReply(imposter.writeMessage()));
  await assert.rejects(handshake, {
    code: "unauthorized",
    message:
      "Cannot connect device \"edge-1\" to responder:1: the other end doesn't know this device's credential",
  });
});

Deno.test("initiateHandshake() translates each refusal into its code", async () => {
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
    await assert.rejects(
      handshakeWithAnswer(encodeRefusal({ reason, message: "" })),
      {
        code,
        message:
          `Cannot connect device "edge-1" to responder:1: the operator refused: ${refusal}`,
        details: { refusal },
      },
    );
  }
});

Deno.test("initiateHandshake() removes control characters from the text of a refusal and cuts it", async () => {
  const frame = encodeRefusal({
    reason: RefusalReason.NOT_LEADER,
    message: "red \u001b[31m" + "x".repeat(900),
  });
  await assert.rejects(handshakeWithAnswer(frame), (error: Error) => {
    assert.match(error.message, /red {2}\[31mx+$/);
    assert.ok(error.message.length < 450);
    return true;
  });
});

Deno.test("initiateHandshake() rejects an answer that is no frame of the protocol", async () => {
  for (const frame of [utf8(""), utf8("HTTP/1.1 400"), Uint8Array.of(2, 255)]) {
    await assert.rejects(handshakeWithAnswer(frame), { code: "invalid" });
  }
});

Deno.test("initiateHandshake() times out when no answer comes", async () => {
  const { initiator } = createLinkPair();
  await assert.rejects(
    initiateHandshake(initiator, { device: DEVICE, key: KEY, timeoutMs: 30 }),
    { code: "timed_out" },
  );
  assert.deepEqual(await initiator.closed, { reason: "the handshake failed" });
});

Deno.test("initiateHandshake() rejects with the reason when the link ends during the handshake", async () => {
  const { initiator, responder } = createLinkPair();
  const handshake = initiateHandshake(initiator, { device: DEVICE, key: KEY });
  responder.close("the operator is shutting down");
  await assert.rejects(handshake, {
    code: "unavailable",
    message: /link ended during the handshake: the operator is shutting down$/,
  });
});

Deno.test("initiateHandshake() over gRPC receives the refusal before the link ends, and packets with the right key", async () => {
  const log = SILENT_LOGGER;
  await using listener = await listenGrpc({
    host: "127.0.0.1",
    port: 0,
    tls: "insecure",
    log,
  });
  const links = listener.links[Symbol.asyncIterator]();
  const shakeHands = async (key: Uint8Array) => {
    const [initiator, { value: responder }] = await Promise.all([
      createGrpcDialer({
        endpoint: `127.0.0.1:${listener.address.port}`,
        insecure: true,
        log,
      }).dial({ signal: AbortSignal.timeout(5000) }),
      links.next(),
    ]);
    assert.ok(responder);
    return await Promise.allSettled([
      initiateHandshake(initiator, { device: DEVICE, key }),
      respondToHandshake(responder, {
        findKeys: () => Promise.resolve({ key: KEY }),
      }),
    ]);
  };
  const [refused] = await shakeHands(OTHER_KEY);
  assert.equal(refused.status, "rejected");
  assert.deepEqual(refused.reason.details, { refusal: "BAD_CREDENTIAL" });
  const [initiated, responded] = await shakeHands(KEY);
  assert.ok(initiated.status === "fulfilled");
  assert.ok(responded.status === "fulfilled");
  await initiated.value.send(utf8("hello"));
  const packets = responded.value.link.packets[Symbol.asyncIterator]();
  assert.equal(fromUtf8((await packets.next()).value), "hello");
  initiated.value.close("done");
  await initiated.value.closed;
});

// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, SILENT_LOGGER, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  createGrpcDialer,
  type Link,
  listenGrpc,
} from "../../../lib/shared/link/mod.ts";
import {
  initiateHandshake,
  type InitiateHandshakeOptions,
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

interface Started {
  handshake: Promise<Link>;
  responder: Link;
  /** The first frame, decoded. */
  init: ReturnType<typeof decodeInit>;
  /** Reads further frames of the initiator. */
  frames: AsyncIterator<Uint8Array>;
}

/** Starts a handshake and reads its first frame. */
async function start(
  options: Partial<InitiateHandshakeOptions> & { isExclusive?: boolean } = {},
): Promise<Started> {
  const { isExclusive = true, ...rest } = options;
  const { initiator, responder } = createLinkPair({ isExclusive });
  const handshake = initiateHandshake(initiator, {
    device: DEVICE,
    key: KEY,
    ...rest,
  });
  handshake.catch(() => {});
  const frames = responder.packets[Symbol.asyncIterator]();
  const init = decodeInit((await frames.next()).value);
  return { handshake, responder, init, frames };
}

/** Runs a handshake against a peer that answers with this frame. */
async function handshakeWithAnswer(
  toFrame: (linkId: number) => Uint8Array,
): Promise<never> {
  const { handshake, responder, init } = await start();
  await responder.send(toFrame(init.linkId));
  await handshake;
  throw new Error("the handshake succeeded");
}

/** Returns a valid reply to the first frame. */
function replyTo(init: Started["init"], psk = KEY): Uint8Array {
  const noise = new NoiseHandshake({
    role: "responder",
    prologue: toPrologue(init),
    psk,
  });
  noise.readMessage(init.noise);
  return encodeReply({ linkId: init.linkId, noise: noise.writeMessage() });
}

/** Returns a reply to the first frame of another handshake of this link, with another key. */
function replyOfImpostor(init: Started["init"]): Uint8Array {
  const prologue = toPrologue(init);
  const other = new NoiseHandshake({
    role: "initiator",
    prologue,
    psk: OTHER_KEY,
  });
  return replyTo({ ...init, noise: other.writeMessage() }, OTHER_KEY);
}

Deno.test("initiateHandshake() rejects a responder without the device's key", async () => {
  const { handshake, responder, init } = await start();
  await responder.send(replyOfImpostor(init));
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
      handshakeWithAnswer((linkId) =>
        encodeRefusal({ linkId, reason, message: "" })
      ),
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
  const message = "red \u001b[31m" + "x".repeat(900);
  const toFrame = (linkId: number) =>
    encodeRefusal({ linkId, reason: RefusalReason.NOT_LEADER, message });
  await assert.rejects(handshakeWithAnswer(toFrame), (error: Error) => {
    assert.match(error.message, /red {2}\[31mx+$/);
    assert.ok(error.message.length < 450);
    return true;
  });
});

Deno.test("initiateHandshake() rejects an answer that is no frame of the protocol", async () => {
  for (const frame of [utf8(""), utf8("HTTP/1.1 400"), Uint8Array.of(2, 255)]) {
    await assert.rejects(handshakeWithAnswer(() => frame), {
      code: "invalid",
    });
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

Deno.test("initiateHandshake() skips what doesn't fit when others can send", async () => {
  const { handshake, responder, init } = await start({ isExclusive: false });
  const stale = encodeReply({ linkId: init.linkId ^ 1, noise: utf8("old") });
  for (
    const frame of [
      utf8(""),
      Uint8Array.of(4, 1, 2, 3, 4, ...new Uint8Array(40)),
      stale,
      replyOfImpostor(init),
      encodeReply({ linkId: init.linkId, noise: new Uint8Array(48) }),
      replyTo(init),
    ]
  ) await responder.send(frame);
  (await handshake).close("done");
});

Deno.test("initiateHandshake() prefers a reply to a refusal when others can send", async () => {
  const forged = {
    reason: RefusalReason.BAD_CREDENTIAL,
    message: "go away",
  };
  const first = await start({ isExclusive: false });
  await first.responder.send(
    encodeRefusal({ ...forged, linkId: first.init.linkId }),
  );
  await first.responder.send(replyTo(first.init));
  (await first.handshake).close("done");
  const second = await start({ isExclusive: false, refusalGraceMs: 10 });
  await second.responder.send(encodeRefusal({ ...forged, linkId: 0 }));
  await assert.rejects(second.handshake, {
    code: "unauthorized",
    message: /the operator refused: go away$/,
  });
});

Deno.test("initiateHandshake() sends its first frame once more after a Knock", async () => {
  const { handshake, responder, init, frames } = await start();
  const knock = Uint8Array.of(5, 0, 0, 0, 0);
  await responder.send(knock);
  const again = decodeInit((await frames.next()).value);
  assert.deepEqual(again, init);
  await responder.send(knock);
  await responder.send(replyTo(init));
  (await handshake).close("done");
  assert.equal((await frames.next()).value?.[0], 4);
  assert.equal((await frames.next()).done, true);
});

Deno.test("initiateHandshake() chooses another link id for each handshake", async () => {
  const ids = await Promise.all(
    [1, 2, 3].map(async () => {
      const { init, responder } = await start();
      responder.close("enough");
      return init.linkId;
    }),
  );
  assert.equal(new Set(ids).size, 3);
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
      }).dial({ signal: AbortSignal.timeout(30_000) }),
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

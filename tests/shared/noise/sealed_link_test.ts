// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, type Meter, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import { SealedLink } from "../../../lib/shared/noise/sealed_link.ts";
import { createLinkPair, type Tamper } from "./_support/link_pair.ts";

const KEY_TO_RESPONDER = new Uint8Array(32).fill(3);
const KEY_TO_INITIATOR = new Uint8Array(32).fill(4);
const LINK_ID = 0x01020304;
const KNOCK = Uint8Array.of(5, 0, 0, 0, 0);
const HEADER_BYTES = 1 + 4 + 8;

interface SealedPair {
  initiator: Link;
  responder: Link;
  /** The responder's counters. */
  counted: string[];
}

/** Seals the initiator's end with keys as after a handshake. */
function sealInitiator(inner: Link): SealedLink {
  return new SealedLink({
    inner,
    frames: inner.packets[Symbol.asyncIterator](),
    linkId: LINK_ID,
    sendKey: KEY_TO_RESPONDER,
    receiveKey: KEY_TO_INITIATOR,
  });
}

/** Creates both ends with keys as after a handshake. */
function createSealedPair(
  tamper: Tamper,
  options: { isExclusive?: boolean; onKnock?: () => void } = {},
): SealedPair {
  const { onKnock, isExclusive = true } = options;
  const inner = createLinkPair({ tamper, maxPacketBytes: 1000, isExclusive });
  const counted: string[] = [];
  const meter: Meter = {
    count: (name, options) =>
      void counted.push(`${name} ${options?.labels?.["reason"] ?? ""}`.trim()),
    set() {},
    time() {},
  };
  const initiator = sealInitiator(inner.initiator);
  const responder = new SealedLink({
    inner: inner.responder,
    frames: inner.responder.packets[Symbol.asyncIterator](),
    linkId: LINK_ID,
    sendKey: KEY_TO_INITIATOR,
    receiveKey: KEY_TO_RESPONDER,
    meter,
    onKnock,
  });
  return { initiator, responder, counted };
}

async function collect(link: Link): Promise<string[]> {
  const texts: string[] = [];
  for await (const packet of link.packets) {
    texts.push(fromUtf8(packet));
    if (texts.at(-1) === "last") break;
  }
  return texts;
}

/** Returns the frame with one byte changed. */
function flip(frame: Uint8Array, index: number): Uint8Array {
  const changed = frame.slice();
  changed[index] = (changed[index] ?? 0) ^ 0x80;
  return changed;
}

Deno.test("SealedLink drops and counts a duplicate", async () => {
  const seen: Uint8Array[] = [];
  const { initiator, responder, counted } = createSealedPair((packet) => {
    seen.push(packet.slice());
    return [packet, ...seen.map((old) => old.slice())];
  });
  for (const text of ["a", "b", "last"]) await initiator.send(utf8(text));
  assert.deepEqual(await collect(responder), ["a", "b", "last"]);
  assert.equal(counted.length, 3);
  assert.equal(counted[0], "aranya_link_dropped_frames_total duplicate");
});

Deno.test("SealedLink ends when any byte of a packet was changed", async () => {
  for (let index = 0; index < HEADER_BYTES + 5 + 16; index++) {
    const { initiator, responder, counted } = createSealedPair((packet) => [
      flip(packet, index),
    ]);
    await initiator.send(utf8("hello"));
    assert.deepEqual(await collect(responder), [], `byte ${index}`);
    const end = await responder.closed;
    const code = index === 0 ? "invalid" : "unauthorized";
    assert.equal(end.error?.code, code, `byte ${index}`);
    assert.deepEqual(counted, ["aranya_link_unopened_packets_total"]);
  }
});

Deno.test("SealedLink drops a packet with a changed byte when others can send, and goes on", async () => {
  for (let index = 0; index < HEADER_BYTES + 4 + 16; index++) {
    const { initiator, responder, counted } = createSealedPair(
      (packet) => [flip(packet, index), packet],
      { isExclusive: false },
    );
    for (const text of ["well", "last"]) await initiator.send(utf8(text));
    assert.deepEqual(await collect(responder), ["well", "last"]);
    assert.equal(counted.length, 2, `byte ${index}: ${counted}`);
  }
});

Deno.test("SealedLink ends when a frame is cut short", async () => {
  for (const length of [0, 1, 4, 5, 12, 13, 28]) {
    const { initiator, responder } = createSealedPair((
      packet,
    ) => [packet.slice(0, length)]);
    await initiator.send(utf8("hello"));
    assert.deepEqual(await collect(responder), []);
    const code = length < 5 ? "invalid" : "unauthorized";
    assert.equal((await responder.closed).error?.code, code);
  }
});

Deno.test("SealedLink ends at a frame of another type, of another link or above 1 MiB, or drops and counts it when others can send", async () => {
  const frames = [
    Uint8Array.of(0x03, 1, 2, 3, 4, 5),
    Uint8Array.of(0x77, 1, 2, 3, 4),
    KNOCK,
    Uint8Array.of(0x04, 1, 2, 3, 5, ...new Uint8Array(40)),
    new Uint8Array(1024 * 1024 + 1).fill(4),
  ];
  for (const [index, frame] of frames.entries()) {
    const strict = createSealedPair((packet) => [frame, packet]);
    await strict.initiator.send(utf8("last"));
    assert.deepEqual(await collect(strict.responder), [], `frame ${index}`);
    assert.ok((await strict.responder.closed).error);
    const { initiator, responder, counted } = createSealedPair(
      (packet) => [frame, packet],
      { isExclusive: false },
    );
    await initiator.send(utf8("last"));
    assert.deepEqual(await collect(responder), ["last"]);
    assert.deepEqual(counted, ["aranya_link_dropped_frames_total unknown"]);
  }
});

Deno.test("SealedLink reports a Knock to the side that expects it", async () => {
  for (const isExclusive of [true, false]) {
    let knockCount = 0;
    const { initiator, responder, counted } = createSealedPair(
      (packet) => [KNOCK, packet, KNOCK],
      { isExclusive, onKnock: () => knockCount++ },
    );
    for (const text of ["a", "last"]) await initiator.send(utf8(text));
    assert.deepEqual(await collect(responder), ["a", "last"]);
    assert.equal(knockCount, 3);
    assert.deepEqual(counted, []);
  }
});

Deno.test("SealedLink ends at the packet after a lost one, whoever can send", async () => {
  for (const isExclusive of [true, false]) {
    let count = 0;
    const { initiator, responder } = createSealedPair(
      (packet) => count++ === 1 ? [] : [packet],
      { isExclusive },
    );
    for (const text of ["a", "lost", "last"]) await initiator.send(utf8(text));
    assert.deepEqual(await collect(responder), ["a"]);
    const { reason, error } = await responder.closed;
    assert.match(reason, /: 1 packet is missing before it$/);
    assert.equal(error?.code, "unavailable");
  }
});

Deno.test("SealedLink still sends after a gap, so that the peer can be notified", async () => {
  let count = 0;
  const { initiator, responder } = createSealedPair(
    (packet) => count++ === 1 ? [] : [packet],
  );
  for (const text of ["a", "lost", "last"]) await initiator.send(utf8(text));
  assert.deepEqual(await collect(responder), ["a"]);
  await responder.send(utf8("goodbye"));
  responder.close("a gap");
  assert.deepEqual(await collect(initiator), ["goodbye"]);
  await assert.rejects(responder.send(utf8("more")), { code: "unavailable" });
});

Deno.test("SealedLink does not end at a forged packet that pretends a gap", async () => {
  const { initiator, responder } = createSealedPair((packet) => {
    const forged = packet.slice();
    forged[HEADER_BYTES - 1] = 200;
    return [forged, packet];
  }, { isExclusive: false });
  for (const text of ["a", "last"]) await initiator.send(utf8(text));
  assert.deepEqual(await collect(responder), ["a", "last"]);
});

Deno.test("SealedLink rejects its own packets when they are sent back", async () => {
  const inner = createLinkPair();
  const end = sealInitiator(inner.initiator);
  await end.send(utf8("mine"));
  const { value } = await inner.responder.packets[Symbol.asyncIterator]()
    .next();
  await inner.responder.send(value);
  assert.deepEqual(await collect(end), []);
  assert.equal((await end.closed).error?.code, "unauthorized");
});

Deno.test("SealedLink.send() rejects a packet above the inner limit minus 29 bytes", async () => {
  const { initiator } = createSealedPair((packet) => [packet]);
  assert.equal(initiator.maxPacketBytes, 971);
  await initiator.send(new Uint8Array(971));
  await assert.rejects(initiator.send(new Uint8Array(972)), {
    code: "too_large",
  });
});

Deno.test("SealedLink.close() ends both ends without an error", async () => {
  const { initiator, responder } = createSealedPair((packet) => [packet]);
  initiator.close("done");
  initiator.close("again");
  assert.deepEqual(await responder.closed, { reason: "done" });
  assert.deepEqual(await collect(responder), []);
});

Deno.test("SealedLink is exclusive on any link, and passes markAuthenticated() on", () => {
  const inner = createLinkPair({ isExclusive: false });
  const sealed = sealInitiator(inner.initiator);
  assert.equal(sealed.isExclusive, true);
  sealed.markAuthenticated();
  assert.deepEqual(inner.authenticated, ["initiator"]);
});

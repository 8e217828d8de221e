// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, type Meter, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import { SealedLink } from "../../../lib/shared/noise/sealed_link.ts";
import { createLinkPair, type Tamper } from "./_support/link_pair.ts";

const KEY_TO_RESPONDER = new Uint8Array(32).fill(3);
const KEY_TO_INITIATOR = new Uint8Array(32).fill(4);

/**
 * Creates both ends with keys as after a handshake; `counted` collects the responder's counters.
 */
function createSealedPair(
  tamper: Tamper,
): { initiator: Link; responder: Link; counted: string[] } {
  const inner = createLinkPair({ tamper, maxPacketBytes: 1000 });
  const counted: string[] = [];
  const meter: Meter = {
    count: (name, options) =>
      void counted.push(`${name} ${options?.labels?.["reason"] ?? ""}`.trim()),
    set() {},
    time() {},
  };
  const initiator = new SealedLink({
    inner: inner.initiator,
    frames: inner.initiator.packets[Symbol.asyncIterator](),
    sendKey: KEY_TO_RESPONDER,
    receiveKey: KEY_TO_INITIATOR,
  });
  const responder = new SealedLink({
    inner: inner.responder,
    frames: inner.responder.packets[Symbol.asyncIterator](),
    sendKey: KEY_TO_INITIATOR,
    receiveKey: KEY_TO_RESPONDER,
    meter,
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

Deno.test("SealedLink drops and counts a replayed packet", async () => {
  const seen: Uint8Array[] = [];
  const { initiator, responder, counted } = createSealedPair((packet) => {
    seen.push(packet.slice());
    return [packet, ...seen.map((old) => old.slice())];
  });
  for (const text of ["a", "b", "last"]) await initiator.send(utf8(text));
  assert.deepEqual(await collect(responder), ["a", "b", "last"]);
  assert.equal(counted.length, 3);
  assert.equal(counted[0], "aranya_link_dropped_frames_total replay");
});

Deno.test("SealedLink ends when any byte of a packet was changed", async () => {
  for (let index = 1; index < 9 + 5 + 16; index++) {
    const { initiator, responder, counted } = createSealedPair((packet) => {
      const changed = packet.slice();
      changed[index] = (changed[index] ?? 0) ^ 0x80;
      return [changed];
    });
    await initiator.send(utf8("hello"));
    assert.deepEqual(await collect(responder), []);
    const end = await responder.closed;
    assert.equal(end.error?.code, "unauthorized");
    assert.deepEqual(counted, ["aranya_link_unopened_packets_total"]);
  }
});

Deno.test("SealedLink ends when a frame is cut short", async () => {
  for (const length of [0, 1, 8, 9, 24]) {
    const { initiator, responder } = createSealedPair((
      packet,
    ) => [packet.slice(0, length)]);
    await initiator.send(utf8("hello"));
    assert.deepEqual(await collect(responder), []);
    assert.equal((await responder.closed).error?.code, "unauthorized");
  }
});

Deno.test("SealedLink drops and counts frames of other types", async () => {
  const { initiator, responder, counted } = createSealedPair((packet) => [
    Uint8Array.of(0x03, 1, 2),
    Uint8Array.of(0x77),
    packet,
  ]);
  await initiator.send(utf8("last"));
  assert.deepEqual(await collect(responder), ["last"]);
  assert.deepEqual(counted, [
    "aranya_link_dropped_frames_total type",
    "aranya_link_dropped_frames_total type",
  ]);
});

Deno.test("SealedLink delivers the packets after a lost one", async () => {
  let count = 0;
  const { initiator, responder } = createSealedPair((packet) =>
    count++ === 1 ? [] : [packet]
  );
  for (const text of ["a", "lost", "last"]) await initiator.send(utf8(text));
  assert.deepEqual(await collect(responder), ["a", "last"]);
});

Deno.test("SealedLink rejects its own packets when they are sent back", async () => {
  const inner = createLinkPair();
  const end = new SealedLink({
    inner: inner.initiator,
    frames: inner.initiator.packets[Symbol.asyncIterator](),
    sendKey: KEY_TO_RESPONDER,
    receiveKey: KEY_TO_INITIATOR,
  });
  await end.send(utf8("mine"));
  const { value } = await inner.responder.packets[Symbol.asyncIterator]()
    .next();
  await inner.responder.send(value);
  assert.deepEqual(await collect(end), []);
  assert.equal((await end.closed).error?.code, "unauthorized");
});

Deno.test("SealedLink.send() rejects a packet above the inner limit minus 25 bytes", async () => {
  const { initiator } = createSealedPair((packet) => [packet]);
  assert.equal(initiator.maxPacketBytes, 975);
  await initiator.send(new Uint8Array(975));
  await assert.rejects(initiator.send(new Uint8Array(976)), {
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

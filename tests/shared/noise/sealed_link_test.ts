// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { fromUtf8, type Meter, utf8 } from "../../../lib/shared/base/mod.ts";
import type { Link } from "../../../lib/shared/link/mod.ts";
import { SealedLink } from "../../../lib/shared/noise/sealed_link.ts";
import { createLinkPair, type Meddle } from "./_support/memory_link.ts";

const FORTH = new Uint8Array(32).fill(3);
const BACK = new Uint8Array(32).fill(4);

/** Both ends with keys as after a handshake; `counted` collects what the second end counts. */
function sealedPair(
  meddle: Meddle,
): { one: Link; two: Link; counted: string[] } {
  const [first, second] = createLinkPair({ meddle, maxPacketBytes: 1000 });
  const counted: string[] = [];
  const meter: Meter = {
    count: (name, options) =>
      void counted.push(`${name} ${options?.labels?.["reason"] ?? ""}`.trim()),
    set() {},
    time() {},
  };
  const one = new SealedLink({
    inner: first,
    frames: first.packets[Symbol.asyncIterator](),
    sendKey: FORTH,
    receiveKey: BACK,
  });
  const two = new SealedLink({
    inner: second,
    frames: second.packets[Symbol.asyncIterator](),
    sendKey: BACK,
    receiveKey: FORTH,
    meter,
  });
  return { one, two, counted };
}

async function collect(link: Link): Promise<string[]> {
  const texts: string[] = [];
  for await (const packet of link.packets) {
    texts.push(fromUtf8(packet));
    if (texts.at(-1) === "last") break;
  }
  return texts;
}

Deno.test("SealedLink drops a replayed packet, counts it and goes on", async () => {
  const seen: Uint8Array[] = [];
  const { one, two, counted } = sealedPair((packet) => {
    seen.push(packet.slice());
    return [packet, ...seen.map((old) => old.slice())];
  });
  for (const text of ["a", "b", "last"]) await one.send(utf8(text));
  assert.deepEqual(await collect(two), ["a", "b", "last"]);
  assert.equal(counted.length, 3);
  assert.equal(counted[0], "aranya_link_dropped_frames_total replay");
});

Deno.test("SealedLink ends when a packet can't be opened, whichever byte was changed", async () => {
  for (let index = 1; index < 9 + 5 + 16; index++) {
    const { one, two, counted } = sealedPair((packet) => {
      const changed = packet.slice();
      changed[index] = (changed[index] ?? 0) ^ 0x80;
      return [changed];
    });
    await one.send(utf8("hello"));
    assert.deepEqual(await collect(two), []);
    const end = await two.closed;
    assert.equal(end.error?.code, "unauthorized");
    assert.deepEqual(counted, ["aranya_link_unopened_packets_total"]);
  }
});

Deno.test("SealedLink ends when a frame is cut short", async () => {
  for (const length of [0, 1, 8, 9, 24]) {
    const { one, two } = sealedPair((packet) => [packet.slice(0, length)]);
    await one.send(utf8("hello"));
    assert.deepEqual(await collect(two), []);
    assert.equal((await two.closed).error?.code, "unauthorized");
  }
});

Deno.test("SealedLink passes over frames of other types, which anybody could have made", async () => {
  const { one, two, counted } = sealedPair((packet) => [
    Uint8Array.of(0x03, 1, 2),
    Uint8Array.of(0x77),
    packet,
  ]);
  await one.send(utf8("last"));
  assert.deepEqual(await collect(two), ["last"]);
  assert.deepEqual(counted, [
    "aranya_link_dropped_frames_total type",
    "aranya_link_dropped_frames_total type",
  ]);
});

Deno.test("SealedLink opens what comes after a lost packet", async () => {
  let count = 0;
  const { one, two } = sealedPair((packet) => count++ === 1 ? [] : [packet]);
  for (const text of ["a", "lost", "last"]) await one.send(utf8(text));
  assert.deepEqual(await collect(two), ["a", "last"]);
});

Deno.test("SealedLink does not open its own packets sent back", async () => {
  const [first, second] = createLinkPair();
  const end = new SealedLink({
    inner: first,
    frames: first.packets[Symbol.asyncIterator](),
    sendKey: FORTH,
    receiveKey: BACK,
  });
  await end.send(utf8("mine"));
  const { value } = await second.packets[Symbol.asyncIterator]().next();
  await second.send(value);
  assert.deepEqual(await collect(end), []);
  assert.equal((await end.closed).error?.code, "unauthorized");
});

Deno.test("SealedLink.send() refuses a packet above the inner limit less 25 bytes", async () => {
  const { one } = sealedPair((packet) => [packet]);
  assert.equal(one.maxPacketBytes, 975);
  await one.send(new Uint8Array(975));
  await assert.rejects(one.send(new Uint8Array(976)), { code: "too_large" });
});

Deno.test("SealedLink.close() ends both ends without an error", async () => {
  const { one, two } = sealedPair((packet) => [packet]);
  one.close("done");
  one.close("again");
  assert.deepEqual(await two.closed, { reason: "done" });
  assert.deepEqual(await collect(two), []);
});

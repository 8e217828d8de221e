// SPDX-License-Identifier: Apache-2.0
/** Attacks on the gRPC listener by clients that have no credential. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { concatBytes } from "../../lib/shared/base/mod.ts";
import {
  createLinkId,
  encodeInit,
  encodeRefusal,
  encodeReply,
} from "../../lib/shared/noise/frames.ts";
import {
  encodeFrame,
  FRAME_TYPES,
  RefusalReason,
} from "../../lib/shared/wire/mod.ts";
import { pause, until } from "../../dev/base/wait.ts";
import {
  attack,
  type Attacker,
  type FloodOptions,
  useTarget,
} from "./_support/attack.ts";
import {
  beginCall,
  callHeaders,
  frame,
  H2,
  indexedLiteral,
  literal,
  message,
  preface,
  repeated,
} from "./_support/http2_frames.ts";
import { HONEST } from "./_support/target.ts";
import type { Wire, WireOptions } from "./_support/wire_client.ts";

useTarget();

/** Bound on connections of the gRPC port whose clients are not authenticated. */
const MAX_PENDING = 256;

/** Opens as many connections as it can, and keeps them. */
async function openMany(
  attacker: Attacker,
  { to, first, count }: { to: WireOptions; first: Uint8Array; count: number },
): Promise<string> {
  const wires: Wire[] = [];
  await attacker.repeat(async () => {
    if (wires.length >= count) return await pause(20);
    const wire = await attacker.connect(to);
    if (!wire) return;
    wires.push(wire);
    await wire.write(first);
    wire.read();
  }, { lanes: 16 });
  assert.ok(wires.length > MAX_PENDING, `only ${wires.length} connections`);
  const open = () => wires.filter(({ isOpen }) => isOpen).length;
  await until(() => open() <= MAX_PENDING, {
    what: "bounded connections",
    timeoutMs: 10_000,
    detail: () => `${open()} are open`,
  });
  return `${wires.length} opened, ${open()} stayed open`;
}

attack(
  "gRPC port: TCP connections that send nothing",
  (attacker) =>
    openMany(attacker, {
      to: attacker.grpcPlain,
      first: new Uint8Array(0),
      count: 3000,
    }),
);

attack(
  "gRPC port: half a ClientHello on each connection",
  (attacker) =>
    openMany(attacker, {
      to: attacker.grpcPlain,
      first: Uint8Array.from([
        0x16,
        3,
        1,
        2,
        0,
        1,
        0,
        1,
        0xfc,
        3,
        3,
        ...new Array(80).fill(7),
      ]),
      count: 3000,
    }),
);

attack("gRPC port: TLS handshakes, and then nothing", async (attacker) => {
  const wires: Wire[] = [];
  await attacker.repeat(async () => {
    const wire = await attacker.connect(attacker.grpc);
    if (wire) wires.push(wire.read());
  }, { lanes: 16 });
  const open = wires.filter(({ isOpen }) => isOpen).length;
  assert.ok(wires.length > 30, `only ${wires.length} connections`);
  return `${wires.length} opened, ${open} stayed open`;
});

attack(
  "gRPC port: the HTTP/2 preface, byte by byte, on many connections",
  async (attacker) => {
    const bytes = preface();
    let count = 0;
    await attacker.repeat(async () => {
      const wire = await attacker.connect(attacker.grpc);
      if (!wire) return;
      count++;
      for (let at = 0; at < bytes.length && !attacker.isOver; at++) {
        await wire.write(bytes.subarray(at, at + 1));
        await pause(100);
      }
    }, { lanes: 200 });
    assert.ok(count > 20, `only ${count} connections`);
  },
);

/** Begins HTTP/2 on connections, and sends the same bytes until the operator ends each. */
function flood(
  attacker: Attacker,
  { first = new Uint8Array(0), ...options }: Omit<FloodOptions, "to">,
): Promise<string> {
  return attacker.flood({
    ...options,
    to: attacker.grpc,
    first: concatBytes([preface(), first]),
  });
}

attack(
  "gRPC port: SETTINGS without end, whose acknowledgements are not read",
  (attacker) =>
    flood(attacker, {
      reads: false,
      bytes: repeated(frame(H2.settings, { payload: new Uint8Array(0) })),
    }),
);

attack(
  "gRPC port: PING without end, whose answers are not read",
  (attacker) =>
    flood(attacker, {
      reads: false,
      bytes: repeated(frame(H2.ping, { payload: new Uint8Array(8) })),
    }),
);

/** Returns a function that returns frames for new streams, about 1000 streams at a time. */
function forNewStreams(
  build: (stream: number) => Uint8Array[],
): () => Uint8Array {
  let stream = -1;
  return () => {
    const frames: Uint8Array[] = [];
    for (let count = 0; count < 200; count++) {
      frames.push(...build(stream += 2));
    }
    return concatBytes(frames);
  };
}

attack(
  "gRPC port: calls that are reset at once (rapid reset)",
  (attacker) =>
    flood(attacker, {
      bytes: forNewStreams((stream) => [
        beginCall(stream),
        frame(H2.rstStream, { stream, payload: Uint8Array.of(0, 0, 0, 8) }),
      ]),
    }),
);

attack(
  "gRPC port: thousands of calls on one connection that send nothing",
  (attacker) =>
    flood(attacker, { bytes: forNewStreams((stream) => [beginCall(stream)]) }),
);

attack(
  "gRPC port: headers that go on in CONTINUATION without end",
  (attacker) =>
    flood(attacker, {
      first: frame(H2.headers, { stream: 1, payload: callHeaders() }),
      bytes: repeated(
        frame(H2.continuation, {
          stream: 1,
          payload: literal("x", "y".repeat(4000)),
        }),
      ),
    }),
);

attack(
  "gRPC port: a header of 4 KiB that is referred to 16,000 times (HPACK bomb)",
  (attacker) =>
    flood(attacker, {
      bytes: forNewStreams((stream) =>
        stream > 39 ? [] : [
          beginCall(stream, [
            indexedLiteral("x-bomb", "b".repeat(3900)),
            new Uint8Array(12_000).fill(0x80 + 62),
          ]),
        ]
      ),
    }),
);

attack(
  "gRPC port: headers of 12 KiB on each call",
  (attacker) =>
    flood(attacker, {
      bytes: forNewStreams((stream) => [
        beginCall(stream, [literal("x-large", "b".repeat(12_000))]),
      ]),
    }),
);

attack(
  "gRPC port: empty messages without end on one call",
  (attacker) =>
    flood(attacker, {
      first: beginCall(1),
      bytes: repeated(message(1, { body: new Uint8Array(0) })),
    }),
);

attack("gRPC port: compressed messages that inflate to 100 MiB", (attacker) => {
  const bomb = gzipSync(new Uint8Array(100 * 1024 * 1024), { level: 9 });
  const parts = [];
  const body = message(1, { body: bomb, isCompressed: true }).subarray(9);
  for (let at = 0; at < body.length; at += 16_384) {
    parts.push(
      frame(H2.data, { stream: 1, payload: body.subarray(at, at + 16_384) }),
    );
  }
  return flood(attacker, {
    first: beginCall(1, [literal("grpc-encoding", "gzip")]),
    bytes: concatBytes(parts),
  });
});

attack("gRPC port: a message of 4 GiB", (attacker) =>
  flood(attacker, {
    first: concatBytes([
      beginCall(1),
      message(1, { body: new Uint8Array(16), length: 0xffff_ffff }),
    ]),
    bytes: frame(H2.data, { stream: 1, payload: new Uint8Array(16_384) }),
  }));

/** Returns a HandshakeInit of the right shape, made without the device's key. */
function forgedInit(device: string): Uint8Array {
  return encodeInit({
    framingVersion: 1,
    linkId: createLinkId(),
    device,
    noise: crypto.getRandomValues(new Uint8Array(48)),
  });
}

/** Begins handshakes, at most about 1000 per second. */
async function floodHandshakes(
  attacker: Attacker,
  nameDevice: () => string,
): Promise<string> {
  let count = 0;
  let connectionCount = 0;
  await attacker.repeat(async () => {
    const wire = (await attacker.connect(attacker.grpc))?.read();
    if (!wire) return;
    connectionCount++;
    await wire.write(preface());
    for (let stream = 1; !attacker.isOver && wire.isOpen; stream += 20) {
      const frames: Uint8Array[] = [];
      for (let next = stream; next < stream + 20; next += 2) {
        frames.push(
          beginCall(next),
          message(next, { body: forgedInit(nameDevice()) }),
        );
      }
      count += 10;
      await wire.write(concatBytes(frames));
      await pause(20);
    }
    wire.close();
  }, { lanes: 2 });
  assert.ok(count > 200, `only ${count} handshakes`);
  return `${count} handshakes on ${connectionCount} connections`;
}

attack(
  "gRPC port: handshakes for devices that exist, without their key",
  (attacker) =>
    floodHandshakes(
      attacker,
      () => HONEST[Math.floor(Math.random() * HONEST.length)] ?? "",
    ),
);

attack(
  "gRPC port: handshakes for made-up devices, with terminal escapes in the name",
  (attacker) =>
    floodHandshakes(
      attacker,
      () => `\x1b[2J\x1b]0;x\x07${crypto.randomUUID()}`,
    ),
);

attack(
  "gRPC port: frames that only an operator sends, unknown and broken ones",
  async (attacker) => {
    const linkId = createLinkId();
    const noise = new Uint8Array(48);
    const frames = [
      encodeReply({ linkId, noise }),
      encodeRefusal({
        linkId,
        reason: RefusalReason.UNKNOWN_DEVICE,
        message: "x",
      }),
      encodeFrame({
        type: FRAME_TYPES.knock,
        linkId: 0,
        body: new Uint8Array(0),
      }),
      encodeFrame({
        type: FRAME_TYPES.sealed,
        linkId,
        body: new Uint8Array(60_000),
      }),
      encodeFrame({ type: 99, linkId, body: new Uint8Array(10) }),
      encodeFrame({
        type: FRAME_TYPES.handshakeInit,
        linkId,
        body: new Uint8Array(5000),
      }),
      new Uint8Array(1),
      new Uint8Array(0),
    ];
    for (const bytes of frames) {
      const link = await attacker.dial();
      await link.send(bytes);
      const { reason } = await link.closed;
      assert.ok(reason, "the operator gave no reason");
    }
    return "each ends its link";
  },
);

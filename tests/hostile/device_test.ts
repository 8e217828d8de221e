// SPDX-License-Identifier: Apache-2.0
/** Attacks on the gRPC listener by a device with a valid credential. */
import assert from "node:assert/strict";
import {
  AcksSchema,
  encodeEnvelope,
  encodeMessage,
  type Envelope,
  EnvelopeKind,
  EventListSchema,
  FactsSchema,
  FetchBlobsSchema,
  GoodbyeSchema,
  Method,
  OpenSchema,
  PodStatusListSchema,
} from "../../lib/shared/wire/mod.ts";
import { attack, useTarget } from "./_support/attack.ts";
import {
  MILLION_PODS,
  onLinks,
  sendPackets,
  sendRequests,
} from "./_support/device_attacks.ts";
import { createLargeContent } from "./_support/large_content.ts";
import { pause, until } from "../../dev/base/wait.ts";

useTarget();

attack(
  "device: REPORT_PODS with 60,000 empty pods, again and again",
  (attacker) => {
    const bomb = encodeMessage(PodStatusListSchema, {
      pods: Array.from({ length: 60_000 }, () => ({})),
    });
    return sendRequests(attacker, {
      method: Method.REPORT_PODS,
      build: () => bomb,
    });
  },
);

attack(
  "device: REPORT_PODS with a million empty pods",
  (attacker) =>
    sendRequests(attacker, {
      method: Method.REPORT_PODS,
      build: () => MILLION_PODS,
    }),
);

attack(
  "device: packets of unknown streams, whose answers are not read",
  (attacker) =>
    sendPackets(attacker, (count) =>
      encodeEnvelope({
        kind: EnvelopeKind.DATA,
        stream: 1 + 2 * (count % 1_000_000),
        sequence: 0,
        complete: true,
        payload: new Uint8Array(2),
      }), { reads: false }),
);

attack(
  "device: 100,000 streams that are opened and never ended",
  (attacker) =>
    sendPackets(attacker, (count) =>
      encodeEnvelope({
        kind: EnvelopeKind.OPEN,
        stream: 2 + 2 * count,
        sequence: 0,
        complete: false,
        payload: encodeMessage(OpenSchema, { method: Method.REPORT_FACTS }),
      })),
);

attack(
  "device: 60 values of 2 MiB that are never completed",
  (attacker) =>
    onLinks(attacker, async (device) => {
      const payload = new Uint8Array(32_000);
      for (let piece = 0; piece < 65 && !attacker.isOver; piece++) {
        for (let stream = 2; stream <= 120; stream += 2) {
          const isSent = await device.send({
            kind: EnvelopeKind.OPEN,
            stream,
            sequence: piece * (1 + payload.length),
            complete: false,
            payload,
          });
          if (!isSent) return;
        }
      }
    }),
);

attack(
  "device: a value in a million pieces of one byte",
  (attacker) =>
    sendPackets(attacker, (count) =>
      encodeEnvelope({
        kind: EnvelopeKind.OPEN,
        stream: 2,
        sequence: 2 * count,
        complete: false,
        payload: Uint8Array.of(8),
      })),
);

attack(
  "device: FETCH_BLOBS of the same hash, whose answers are not read",
  (attacker) => {
    const request = encodeMessage(FetchBlobsSchema, {
      podUid: crypto.randomUUID(),
      sha256: Array.from({ length: 64 }, () => "a".repeat(64)),
    });
    return sendRequests(attacker, {
      method: Method.FETCH_BLOBS,
      build: () => request,
    }, { reads: false });
  },
);

attack(
  "device: FETCH_BLOBS of 900 KB again and again, read and acknowledged",
  async (attacker) => {
    const { podUid, sha256 } = await createLargeContent(attacker.target);
    const request = encodeMessage(FetchBlobsSchema, {
      podUid,
      sha256: [sha256],
    });
    let receivedBytes = 0;
    let pendingCount = 0;
    const onEnvelope = ({ kind, payload, complete }: Envelope) => {
      receivedBytes += payload.length;
      const isFinal = kind === EnvelopeKind.RESULT ||
        kind === EnvelopeKind.RESET;
      if (isFinal && complete) pendingCount--;
    };
    const options = { acknowledges: true, onEnvelope };
    const first = await attacker.connectDevice(options);
    await until(async () => {
      await first.request(Method.FETCH_BLOBS, request);
      return receivedBytes > 900_000;
    }, { what: "the content", timeoutMs: 40_000, intervalMs: 500 });
    first.close();
    const ending = await onLinks(attacker, async (device) => {
      pendingCount = 0;
      while (!attacker.isOver) {
        if (pendingCount < 32) {
          pendingCount++;
          if (!await device.request(Method.FETCH_BLOBS, request)) return;
        }
        await pause(1);
      }
    }, options);
    return `${ending}, ${Math.round(receivedBytes / 1024 / 1024)} MiB fetched`;
  },
  { durationMs: 10_000 },
);

attack(
  "device: facts that differ in each report",
  (attacker) =>
    sendRequests(attacker, {
      method: Method.REPORT_FACTS,
      build: (count) =>
        encodeMessage(FactsSchema, {
          os: `os-${count}`,
          arch: "amd64",
          memoryBytes: BigInt(count),
          conditions: Array.from({ length: 200 }, (_, index) => ({
            type: `Condition${count}x${index}`,
            status: count % 2 === 0,
            reason: "Flood",
            message: "m".repeat(200),
          })),
        }),
    }),
);

attack(
  "device: 5,000 events in each report",
  (attacker) =>
    sendRequests(attacker, {
      method: Method.REPORT_EVENTS,
      build: (count) =>
        encodeMessage(EventListSchema, {
          events: Array.from({ length: 5000 }, (_, index) => ({
            reason: `Flood${count}x${index}`,
            message: "m".repeat(60),
            warning: true,
            timeUnixMs: BigInt(index),
          })),
        }),
    }),
);

attack(
  "device: envelopes of unknown kinds",
  (attacker) =>
    sendPackets(attacker, (count) =>
      encodeEnvelope({
        kind: 1000 + count,
        stream: 0,
        sequence: 0,
        complete: true,
        payload: new Uint8Array(100),
      })),
);

attack("device: PING without end, whose answers are not read", (attacker) => {
  const ping = encodeEnvelope({
    kind: EnvelopeKind.PING,
    stream: 0,
    sequence: 0,
    complete: true,
    payload: new Uint8Array(8),
  });
  return sendPackets(attacker, () => ping, { reads: false });
});

attack(
  "device: acknowledgements of what was never sent, with unlimited credit",
  (attacker) => {
    const unlimited = BigInt(Number.MAX_SAFE_INTEGER);
    const payload = encodeMessage(AcksSchema, {
      linkBytes: unlimited,
      points: Array.from({ length: 500 }, (_, index) => ({
        stream: 1 + 2 * index,
        received: unlimited,
        credit: unlimited,
        channels: Array.from(
          { length: 16 },
          (_, channel) => ({ channel, credit: unlimited }),
        ),
      })),
    });
    const ack = encodeEnvelope({
      kind: EnvelopeKind.ACK,
      stream: 0,
      sequence: 0,
      complete: true,
      payload,
    });
    return sendPackets(attacker, () => ack);
  },
);

attack(
  "device: a link that is opened again as soon as it is up",
  (attacker) => onLinks(attacker, () => Promise.resolve()),
);

attack("device: GOODBYE, many times on each link", (attacker) => {
  const goodbye = encodeEnvelope({
    kind: EnvelopeKind.GOODBYE,
    stream: 0,
    sequence: 0,
    complete: true,
    payload: encodeMessage(GoodbyeSchema, {
      reason: "\x1b[2J".repeat(1000),
      instanceEnds: true,
    }),
  });
  return sendPackets(attacker, () => goodbye);
});

attack(
  "device: sealed frames out of order, repeated, missing and changed",
  async (attacker) => {
    const changes: ((frame: Uint8Array) => Uint8Array[])[] = [
      (frame) => [frame, frame, frame],
      (frame) => [frame.with(frame.length - 1, 1 ^ (frame.at(-1) ?? 0))],
      (frame) => [frame.with(1, 1 ^ (frame[1] ?? 0))],
      () => [],
    ];
    const endings: string[] = [];
    for (const change of changes) {
      let count = 0;
      const device = await attacker.connectDevice({
        // HandshakeInit, the empty packet and HELLO go unchanged; one of each two later ones.
        tamper: (frame) =>
          ++count > 3 && count % 2 === 0 ? change(frame) : [frame],
      });
      for (let sent = 0; sent < 20 && device.isOpen; sent++) {
        await device.send({
          kind: EnvelopeKind.PING,
          payload: new Uint8Array(8),
        });
      }
      if (change === changes[0]) {
        assert.ok(
          device.isOpen,
          "duplicates are dropped",
        );
      } else endings.push(await device.closed);
      device.close();
    }
    assert.equal(endings.length, 3);
    return "duplicates are dropped, each of the others ends the link";
  },
);

// SPDX-License-Identifier: Apache-2.0
/** Attacks on the gRPC listener by many devices with valid credentials. */
import assert from "node:assert/strict";
import {
  encodeMessage,
  type Envelope,
  EnvelopeKind,
  FactsSchema,
  Method,
  PodStatusListSchema,
} from "../../lib/shared/wire/mod.ts";
import { fromUtf8, MEBIBYTE } from "../../lib/shared/base/mod.ts";
import { until } from "../../dev/base/wait.ts";
import { attack, useTarget } from "./_support/attack.ts";
import type { CompromisedDevice } from "./_support/compromised_device.ts";
import { MILLION_PODS, sendRequests } from "./_support/device_attacks.ts";

/** Compromised devices that attack at the same time. */
const CROWD = 20;
/** What they may cost while they send: of each, up to 768 KiB are unread; and then garbage. */
const MAX_FLOOD_BYTES = 96 * MEBIBYTE;
/**
 * What they may cost that is kept, too: guaranteed parts and reserves of createDeviceLimits() are
 * 126 MiB.
 */
const MAX_KEPT_BYTES = 224 * MEBIBYTE;
/** Time for them to send it at their pace, in milliseconds. */
const DURATION_MS = 90_000;

useTarget({ compromisedCount: CROWD });

attack(
  `${CROWD} devices at once: REPORT_PODS with a million empty pods`,
  async (attacker) => {
    const results = await Promise.all(
      Array.from({ length: CROWD }, (_, index) =>
        sendRequests(attacker, {
          method: Method.REPORT_PODS,
          build: () => MILLION_PODS,
        }, { index })),
    );
    return `${results.length} devices`;
  },
  { maxExtraBytes: MAX_FLOOD_BYTES },
);

attack(
  `${CROWD} devices at once: all that the operator keeps of each`,
  async (attacker) => {
    const refusals = { requests: 0, statuses: 0 };
    const onEnvelope = ({ kind, payload }: Envelope) => {
      if (kind !== EnvelopeKind.RESET) return;
      const text = fromUtf8(payload);
      if (text.includes("the memory for requests of all")) refusals.requests++;
      if (text.includes("the memory for those of all")) refusals.statuses++;
    };
    const devices: CompromisedDevice[] = [];
    for (let index = 0; index < CROWD; index++) {
      devices.push(
        await attacker.connectDevice({
          index,
          pointCount: 1000,
          onEnvelope,
          acknowledgesLink: true,
        }),
      );
    }
    attacker.begin();
    for (const device of devices) {
      await device.request(Method.REPORT_FACTS, MANY_FACTS);
    }
    const fill = async (
      what: keyof typeof refusals,
      send: (device: CompromisedDevice, isOver: Promise<true>) => Promise<void>,
    ) => {
      const isOver = until(() => attacker.isOver || refusals[what] > 0, {
        what: `a refusal of ${what}`,
        timeoutMs: 2 * DURATION_MS,
      }).then(() => true as const);
      await Promise.all(devices.map((device) => send(device, isOver)));
      await isOver;
      assert.ok(refusals[what] > 0, `none of the ${what} was refused`);
    };
    await fill("requests", sendIncompleteValues);
    await fill("statuses", sendManyStatuses);
    return `refused ${refusals.requests} requests and ${refusals.statuses} reports`;
  },
  { durationMs: DURATION_MS, maxExtraBytes: MAX_KEPT_BYTES },
);

/** Facts as large as they may be. */
const MANY_FACTS = encodeMessage(FactsSchema, {
  os: "linux",
  arch: "amd64",
  conditions: Array.from({ length: 4000 }, () => ({})),
});

/** Sends four values of 2 MiB, which it never completes. */
async function sendIncompleteValues(
  device: CompromisedDevice,
  isOver: Promise<true>,
): Promise<void> {
  const payload = new Uint8Array(32_000);
  const streams = Array.from({ length: 4 }, () => device.takeStreamId());
  for (let piece = 0; piece < 65; piece++) {
    for (const stream of streams) {
      const isEnded = device.send({
        kind: EnvelopeKind.OPEN,
        stream,
        sequence: piece * (1 + payload.length),
        complete: false,
        payload,
      }).then((isOpen) => !isOpen);
      if (await Promise.race([isEnded, isOver])) return;
    }
  }
}

/** Reports pods with as many containers as there may be, short on the wire and not in memory. */
async function sendManyStatuses(
  device: CompromisedDevice,
  isOver: Promise<true>,
): Promise<void> {
  const containers = Array.from({ length: 2000 }, () => ({}));
  for (let count = 0; count < 64; count++) {
    const report = encodeMessage(PodStatusListSchema, {
      pods: [{ uid: `u${count}`, namespace: "x", name: "x", containers }],
    });
    const isEnded = device.request(Method.REPORT_PODS, report)
      .then((isOpen) => !isOpen);
    if (await Promise.race([isEnded, isOver])) return;
  }
}

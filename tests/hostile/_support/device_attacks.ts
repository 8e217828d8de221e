// SPDX-License-Identifier: Apache-2.0
/** What a compromised device sends again and again. */
import assert from "node:assert/strict";
import type { Method } from "../../../lib/shared/wire/mod.ts";
import { pause } from "../../../dev/base/wait.ts";
import type { Attacker, ConnectDeviceOptions } from "./attack.ts";
import type { CompromisedDevice } from "./compromised_device.ts";

/** REPORT_PODS with a million empty pods. */
export const MILLION_PODS = new Uint8Array(2_000_000).map((_, at) =>
  at % 2 === 0 ? 0x0a : 0
);

/** Which device sends, and how it behaves. */
export type DeviceOptions = Pick<
  ConnectDeviceOptions,
  "index" | "reads" | "acknowledges" | "onEnvelope"
>;

/** Runs the work on one link after the other until the attack is over. */
export async function onLinks(
  attacker: Attacker,
  work: (device: CompromisedDevice) => Promise<unknown>,
  options: DeviceOptions = {},
): Promise<string> {
  let linkCount = 0;
  await attacker.repeat(async () => {
    const device = await attacker.connectDevice(options);
    if (linkCount++ === 0) attacker.begin();
    await Promise.race([work(device), device.closed, attacker.untilOver()]);
    device.close();
    await device.closed;
  });
  assert.ok(linkCount > 0, "no link was made");
  return `${linkCount} links`;
}

/** Sends packets on one link after the other, on each until it has ended. */
export function sendPackets(
  attacker: Attacker,
  build: (count: number) => Uint8Array,
  options: DeviceOptions = {},
): Promise<string> {
  return onLinks(attacker, async (device) => {
    for (let count = 0; !attacker.isOver; count++) {
      if (!await device.sendPacket(build(count))) return;
      if (count % 256 === 0) await pause(0);
    }
  }, options);
}

/** Sends requests on one link after the other, on each until it has ended. */
export function sendRequests(
  attacker: Attacker,
  { method, build }: { method: Method; build: (count: number) => Uint8Array },
  options: DeviceOptions = {},
): Promise<string> {
  return onLinks(attacker, async (device) => {
    for (let count = 0; !attacker.isOver; count++) {
      if (!await device.request(method, build(count))) return;
      await pause(0);
    }
  }, options);
}

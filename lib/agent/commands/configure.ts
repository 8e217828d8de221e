// SPDX-License-Identifier: Apache-2.0
/** Settings that the operator sends to the device. */
import { ConfigureSchema, decodeMessage } from "../../shared/wire/mod.ts";
import type { PodWorkers } from "../pods/mod.ts";

/** Serves METHOD_CONFIGURE: stores the device's settings (.proto message Configure). */
export async function configure(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  await podWorkers.configure(decodeMessage(ConfigureSchema, payload));
  return new Uint8Array();
}

// SPDX-License-Identifier: Apache-2.0
/** Settings that the operator sends to the device. */
import { ConfigureSchema, decodeMessage } from "../../shared/wire/mod.ts";
import type { PodWorkers } from "../pods/mod.ts";

/** Changes where the agent finds the operators. */
export interface EndpointUpdates {
  /**
   * Adopts the endpoints of all operators, "host:port", and writes them into agent.yaml. An empty
   * list changes nothing. Never rejects: a failure is logged, since the pods don't depend on it.
   */
  update(endpoints: readonly string[]): Promise<void>;
}

/** Serves METHOD_CONFIGURE: stores the device's settings (.proto message Configure). */
export async function configure(
  payload: Uint8Array,
  { podWorkers, endpoints }: {
    podWorkers: PodWorkers;
    endpoints: EndpointUpdates;
  },
): Promise<Uint8Array> {
  const settings = decodeMessage(ConfigureSchema, payload);
  const received = settings.endpoints;
  // They are stored in agent.yaml, and are no concern of the pods.
  settings.endpoints = [];
  await podWorkers.configure(settings);
  await endpoints.update(received);
  return new Uint8Array();
}

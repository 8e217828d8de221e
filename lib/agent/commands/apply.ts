// SPDX-License-Identifier: Apache-2.0
/** Commands about pods: each is answered when the device would still know of it after a power cut. */
import {
  ConfigureSchema,
  decodeMessage,
  encodeMessage,
  PodSpecSchema,
  PodStatusListSchema,
  PurgePodSchema,
  RemovePodSchema,
} from "../../shared/wire/mod.ts";
import type { PodWorkers } from "../pods/mod.ts";

const NO_ANSWER = new Uint8Array();

/** METHOD_CONFIGURE */
export async function configure(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  await podWorkers.configure(decodeMessage(ConfigureSchema, payload));
  return NO_ANSWER;
}

/** METHOD_LIST_PODS */
export async function listPods(podWorkers: PodWorkers): Promise<Uint8Array> {
  return encodeMessage(PodStatusListSchema, { pods: await podWorkers.list() });
}

/** METHOD_APPLY_POD */
export async function applyPod(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  await podWorkers.apply(decodeMessage(PodSpecSchema, payload));
  return NO_ANSWER;
}

/** METHOD_REMOVE_POD */
export async function removePod(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  const { uid, graceSeconds } = decodeMessage(RemovePodSchema, payload);
  await podWorkers.remove({ uid, graceSeconds: Number(graceSeconds) });
  return NO_ANSWER;
}

/** METHOD_PURGE_POD */
export async function purgePod(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  await podWorkers.purge(decodeMessage(PurgePodSchema, payload).uid);
  return NO_ANSWER;
}

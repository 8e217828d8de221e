// SPDX-License-Identifier: Apache-2.0
/**
 * Commands about pods. Each returns once its effect is persisted, so that it survives a power cut.
 */
import { defined } from "../../shared/base/mod.ts";
import {
  ApplyPodResultSchema,
  decodeMessage,
  encodeMessage,
  MAX_POD_FIELD_COUNT,
  PodSpecSchema,
  PurgePodSchema,
  RemovePodSchema,
} from "../../shared/wire/mod.ts";
import type { PodWorkers } from "../pods/mod.ts";
import { encodeStatuses } from "./status_list.ts";

/** The empty response message. */
const EMPTY_RESPONSE = new Uint8Array();

/**
 * Serves METHOD_LIST_PODS: returns the status of every pod on the device, with messages cut if the
 * list would be too large for the operator.
 */
export async function listPods(podWorkers: PodWorkers): Promise<Uint8Array> {
  return encodeStatuses(await podWorkers.list());
}

/**
 * Serves METHOD_APPLY_POD: stores a pod's desired spec, which its worker then applies; or returns
 * why the device rejects the pod.
 */
export async function applyPod(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  const maxFieldCount = MAX_POD_FIELD_COUNT;
  const rejection = await podWorkers.apply(
    decodeMessage(PodSpecSchema, payload, { maxFieldCount }),
  );
  return encodeMessage(ApplyPodResultSchema, { ...defined({ rejection }) });
}

/** Serves METHOD_REMOVE_POD: stores that a pod must be stopped within its grace period. */
export async function removePod(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  const { uid, graceSeconds } = decodeMessage(RemovePodSchema, payload);
  await podWorkers.remove({ uid, graceSeconds: Number(graceSeconds) });
  return EMPTY_RESPONSE;
}

/** Serves METHOD_PURGE_POD: stores that everything of a pod must be removed. */
export async function purgePod(
  payload: Uint8Array,
  podWorkers: PodWorkers,
): Promise<Uint8Array> {
  await podWorkers.purge(decodeMessage(PurgePodSchema, payload).uid);
  return EMPTY_RESPONSE;
}

// SPDX-License-Identifier: Apache-2.0
/** Decides whether a device takes a pod, as the device itself does. */
import {
  findPressureRejection,
  type HostNeed,
  listHostNeeds,
} from "../../shared/admission/mod.ts";
import type { PodRejection } from "../../shared/wire/mod.ts";
import type { Pod } from "../kube/mod.ts";
import type { PodLookups } from "./lookups.ts";
import { toPodSpec } from "./spec.ts";

/** Admission doesn't depend on ConfigMaps, Secrets, Services or tokens, so none is looked up. */
const NO_LOOKUPS: PodLookups = {
  findConfigMap: () => undefined,
  findSecret: () => undefined,
  listServices: () => [],
  findToken: () => ({ missing: "not read" }),
  allocatable: { cpuMillis: 0, memoryBytes: 0 },
  dns: undefined,
};

/**
 * Returns what a pod without unsupported fields needs of the host. The device finds the same in the
 * command for the pod, so both give the same reasons.
 */
export function findHostNeeds(pod: Pod): HostNeed[] {
  return listHostNeeds(toPodSpec(pod, NO_LOOKUPS).spec);
}

/**
 * Returns why a device with these conditions rejects a new pod without unsupported fields;
 * undefined when it takes it.
 */
export function findPodRejection(
  pod: Pod,
  conditions: readonly string[],
): PodRejection | undefined {
  if (conditions.length === 0) return undefined;
  return findPressureRejection(toPodSpec(pod, NO_LOOKUPS).spec, conditions);
}

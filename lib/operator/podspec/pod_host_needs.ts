// SPDX-License-Identifier: Apache-2.0
/** Finds what a pod needs of its device's host. */
import { type HostNeed, listHostNeeds } from "../../shared/admission/mod.ts";
import type { Pod } from "../kube/mod.ts";
import type { PodLookups } from "./lookups.ts";
import { toPodSpec } from "./spec.ts";

/** Host needs don't depend on ConfigMaps, Secrets, Services or tokens, so none is looked up. */
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

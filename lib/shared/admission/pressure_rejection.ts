// SPDX-License-Identifier: Apache-2.0
/** Which new pods a device that is short of memory or disk space rejects, as a kubelet does. */
import {
  create,
  type PodRejection,
  PodRejectionSchema,
  type PodSpec,
} from "../wire/mod.ts";

/** Reason of failed pods and of Events, for rejected pods and for those that have to end. */
export const EVICTED = "Evicted";

/**
 * Conditions for which pods are rejected. Not PIDPressure: no eviction ends it, and a kubelet has
 * no threshold for it by default.
 */
const PRESSURES: readonly string[] = ["MemoryPressure", "DiskPressure"];

/** Lowest priority of the classes system-cluster-critical and system-node-critical. */
const CRITICAL_PRIORITY = 2_000_000_000;

/**
 * Returns whether a pod is neither evicted nor rejected (kubelet, types.IsCriticalPod; a device has
 * no static pods). One of unknown priority, from an operator or the record of an agent that did not
 * know it, may be critical.
 */
export function isCritical({ priority }: PodSpec): boolean {
  return priority === undefined || priority >= CRITICAL_PRIORITY;
}

/**
 * Returns why a new pod is rejected while these conditions are true; undefined when it is admitted
 * (kubelet, pkg/kubelet/eviction, `Admit`). Memory pressure alone rejects only pods of QoS class
 * BestEffort that don't tolerate it; DiskPressure rejects all but critical ones.
 */
export function findPressureRejection(
  spec: PodSpec,
  conditions: readonly string[],
): PodRejection | undefined {
  const present = PRESSURES.filter((type) => conditions.includes(type));
  if (present.length === 0 || isCritical(spec)) return undefined;
  const isMemoryOnly = present.every((type) => type === "MemoryPressure");
  if (isMemoryOnly && (!isBestEffort(spec) || spec.toleratesMemoryPressure)) {
    return undefined;
  }
  return create(PodRejectionSchema, {
    reason: EVICTED,
    message: `The node had condition: [${present.join(" ")}]. `,
  });
}

/** Returns whether a pod has QoS class BestEffort: it asks for neither CPU nor memory. */
function isBestEffort(spec: PodSpec): boolean {
  return [...spec.initContainers, ...spec.containers].every(({ resources }) =>
    !resources ||
    [
      resources.cpuLimitMillis,
      resources.cpuRequestMillis,
      resources.memoryLimitBytes,
      resources.memoryRequestBytes,
    ].every((value) => value === 0n)
  );
}

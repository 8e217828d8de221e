// SPDX-License-Identifier: Apache-2.0
/** Decides which pods are evicted, and why, as a kubelet does (pkg/kubelet/eviction/helpers.go). */
import { isCritical } from "../../shared/admission/mod.ts";
import type { PodSpec } from "../../shared/wire/mod.ts";
import type { ExceededThreshold } from "../runtime/mod.ts";
import { formatBytes } from "../volumes/mod.ts";
import {
  type ContainerUsage,
  type PodUsage,
  toMemoryRequest,
  toPodTotal,
  toStorageRequest,
} from "./pod_usage.ts";

/** Layers and logs are taken to have an inode for each of so many bytes, as ext4 has by default. */
const BYTES_PER_INODE = 16 * 1024;

/** What is short, as Kubernetes names it. */
export type ShortResource = "memory" | "ephemeral-storage" | "inodes";

/** What is short, and where. */
export interface Shortage {
  threshold: ExceededThreshold;
  /** Whether images, volumes and the agent's state are on one file system. */
  hasOneDisk: boolean;
}

/** Returns what is short when a threshold is exceeded. */
export function toShortResource(
  { signal }: Pick<ExceededThreshold, "signal">,
): ShortResource {
  if (signal === "memory.available") return "memory";
  return signal.endsWith("inodesFree") ? "inodes" : "ephemeral-storage";
}

/**
 * Returns the pods that may be evicted, the first to be evicted first: under memory pressure, as
 * with a kubelet, those whose memory can't be read, which may be the cause; those that use more
 * than they have requested before others, then those of lower priority, then those that use the
 * most above their request. Before all others come pods that only pull an image now, where images
 * share the disk: the size of the image is not known yet, and it would cost running pods their
 * place without being there in the end. Critical pods are left out.
 */
export function rankPods(
  pods: readonly PodUsage[],
  shortage: Shortage,
): PodUsage[] {
  const { threshold, hasOneDisk } = shortage;
  const isMemory = toShortResource(threshold) === "memory";
  const hasImages = !isMemory &&
    (hasOneDisk || threshold.signal.startsWith("imagefs"));
  return pods.filter(({ spec }) => !isCritical(spec)).map((pod) => ({
    pod,
    mayBeCause: (isMemory && pod.isMemoryUnknown) ||
      (hasImages && pod.isPulling),
    excess: toExcess(pod, shortage),
  })).toSorted((left, right) =>
    Number(right.mayBeCause) - Number(left.mayBeCause) ||
    Number(right.excess > 0) - Number(left.excess > 0) ||
    (left.pod.spec.priority ?? 0) - (right.pod.spec.priority ?? 0) ||
    right.excess - left.excess
  ).map(({ pod }) => pod);
}

/**
 * Returns how much more a pod uses than it has requested, in bytes; negative when it uses less. Of
 * inodes, which can't be requested, how many it uses.
 */
function toExcess(
  { spec, containers, volumesBytes, volumesInodeCount }: PodUsage,
  { threshold, hasOneDisk }: Shortage,
): number {
  const resource = toShortResource(threshold);
  const sum = (toBytes: (usage: ContainerUsage) => number) =>
    [...containers.values()].reduce((total, one) => total + toBytes(one), 0);
  if (resource === "memory") {
    return sum(({ memoryBytes }) => memoryBytes) -
      toPodTotal(spec, toMemoryRequest);
  }
  const hasVolumes = hasOneDisk || threshold.signal.startsWith("nodefs");
  const hasLayers = hasOneDisk || threshold.signal.startsWith("imagefs");
  const layersBytes = hasLayers ? sum(({ diskBytes }) => diskBytes) : 0;
  if (resource === "inodes") {
    return (hasVolumes ? volumesInodeCount : 0) +
      Math.floor(layersBytes / BYTES_PER_INODE);
  }
  return (hasVolumes ? volumesBytes : 0) + layersBytes -
    toPodTotal(spec, toStorageRequest);
}

/** Returns the message of the evicted pod, word for word that of a kubelet. */
export function toEvictionMessage(
  { spec, containers }: PodUsage,
  threshold: ExceededThreshold,
): string {
  const resource = toShortResource(threshold);
  const format = (count: number) =>
    resource === "inodes" ? String(count) : formatBytes(BigInt(count));
  const parts = [
    `The node was low on resource: ${resource}. `,
    `Threshold quantity: ${format(threshold.thresholdCount)}, available: ${
      format(threshold.availableCount)
    }. `,
  ];
  if (resource === "inodes") return parts.join("");
  const isMemory = resource === "memory";
  for (const container of [...spec.containers, ...spec.initContainers]) {
    const usage = containers.get(container.name);
    const usedBytes = isMemory ? usage?.memoryBytes : usage?.diskBytes;
    const requestBytes = isMemory
      ? toMemoryRequest(container)
      : toStorageRequest(container);
    if (usedBytes === undefined || usedBytes <= requestBytes) continue;
    parts.push(
      `Container ${container.name} was using ${format(usedBytes)}, request is ${
        format(requestBytes)
      }, has larger consumption of ${resource}. `,
    );
  }
  return parts.join("");
}

/** Returns whether a container of the pod has a limit of ephemeral storage. */
export function hasStorageLimit(
  { initContainers, containers }: PodSpec,
): boolean {
  return [...initContainers, ...containers].some(({ resources }) =>
    (resources?.storageLimitBytes ?? 0n) > 0n
  );
}

/**
 * Returns why a pod must be evicted although nothing is short: it exceeds its limit of ephemeral
 * storage, or a container its own. Undefined when neither does.
 */
export function findExceededStorageLimit(
  { spec, containers, volumesBytes }: PodUsage,
): string | undefined {
  if (!hasStorageLimit(spec) || isCritical(spec)) return undefined;
  const limitBytes = toPodTotal(
    spec,
    ({ resources }) => Number(resources?.storageLimitBytes ?? 0n),
  );
  const usedBytes = [...containers.values()].reduce(
    (sum, { diskBytes }) => sum + diskBytes,
    volumesBytes,
  );
  if (usedBytes > limitBytes) {
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${
      formatBytes(BigInt(limitBytes))
    }. `;
  }
  for (const { name, resources } of spec.containers) {
    const ownLimitBytes = resources?.storageLimitBytes ?? 0n;
    const ownBytes = containers.get(name)?.diskBytes ?? 0;
    if (ownLimitBytes === 0n || ownBytes <= ownLimitBytes) continue;
    return `Container ${name} exceeded its local ephemeral storage limit "${
      formatBytes(ownLimitBytes)
    }". `;
  }
  return undefined;
}

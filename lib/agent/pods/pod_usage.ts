// SPDX-License-Identifier: Apache-2.0
/** What pods use of memory and disk, and what they have asked for. */
import type { Container, PodSpec } from "../../shared/wire/mod.ts";

/** What one pod uses. */
export interface PodUsage {
  spec: PodSpec;
  /** Usage of each container, by its name. */
  containers: ReadonlyMap<string, ContainerUsage>;
  /** Its emptyDirs on disk. */
  volumesBytes: number;
  /** Files and directories in them. */
  volumesInodeCount: number;
  /** Whether the memory of a running container could not be read. */
  isMemoryUnknown: boolean;
  /** Whether an image is being pulled for it, and none of its containers runs. */
  isPulling: boolean;
}

/** What all instances of one container use. */
export interface ContainerUsage {
  /** Working set. */
  memoryBytes: number;
  /** Writable layer and log. */
  diskBytes: number;
}

/** Returns the memory that the kubelet counts as requested by a container. */
export function toMemoryRequest({ resources }: Container): number {
  return Number(
    resources?.memoryRequestBytes || resources?.memoryLimitBytes || 0n,
  );
}

/** Returns the ephemeral storage that a container has requested. */
export function toStorageRequest({ resources }: Container): number {
  return Number(
    resources?.storageRequestBytes || resources?.storageLimitBytes || 0n,
  );
}

/**
 * Returns what a pod needs of a resource (`resourcehelper.PodRequests`): the sum of its containers
 * and sidecars, or more when an init container needs more beside the sidecars before it.
 */
export function toPodTotal(
  { initContainers, containers }: PodSpec,
  toAmount: (container: Container) => number,
): number {
  let sidecarsAmount = 0;
  let initAmount = 0;
  for (const container of initContainers) {
    const amount = toAmount(container);
    if (container.restartAlways) sidecarsAmount += amount;
    initAmount = Math.max(
      initAmount,
      container.restartAlways ? sidecarsAmount : sidecarsAmount + amount,
    );
  }
  const runningAmount = containers.reduce(
    (sum, container) => sum + toAmount(container),
    sidecarsAmount,
  );
  return Math.max(runningAmount, initAmount);
}

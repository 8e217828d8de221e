// SPDX-License-Identifier: Apache-2.0
/** Finds the container that kubectl means, and what state it is in. Pure. */
import { AranyaError } from "../../shared/base/mod.ts";
import { keyOf, type KubeContainerStatus, type Pod } from "../kube/mod.ts";
import { toStatus } from "../podspec/mod.ts";
import type { PodStatus } from "../../shared/wire/mod.ts";

/** A container of a pod, for the stream lane. */
export interface PodTargetInfo {
  podUid: string;
  /** The container's name, never empty. */
  container: string;
  /** Set: it waits, with this reason. */
  waiting?: { reason: string; message: string };
  /** Whether there is an earlier instance of the container. */
  hasPrevious: boolean;
  /** Whether it runs now. */
  running: boolean;
}

const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

/**
 * Finds a container by name; empty: the one that the pod's annotation names, else its first.
 * The device's word counts before what the API server has, which may be a moment behind.
 * @throws {AranyaError} code "not_found" when the pod has no such container
 */
export function findContainer(
  name: string,
  { pod, remote }: { pod: Pod; remote: PodStatus | undefined },
): PodTargetInfo {
  const { metadata, spec } = pod;
  const all = [...spec.containers, ...spec.initContainers ?? []];
  const wanted = name || metadata.annotations?.[DEFAULT_CONTAINER] ||
    spec.containers[0]?.name;
  const container = all.find((one) => one.name === wanted);
  if (!container) {
    throw new AranyaError(
      "not_found",
      `Cannot find container ${JSON.stringify(wanted ?? "")} of pod ${
        JSON.stringify(keyOf(pod))
      }: it has ${all.map((one) => JSON.stringify(one.name)).join(", ")}`,
    );
  }
  const status = remote
    ? toStatus({ pod, remote, nowMs: Date.now() })
    : pod.status ?? {};
  const statuses: KubeContainerStatus[] = [
    ...status.containerStatuses ?? [],
    ...status.initContainerStatuses ?? [],
  ];
  const found = statuses.find((one) => one.name === container.name);
  const { running, terminated, waiting } = found?.state ?? {};
  const waits = running === undefined && terminated === undefined;
  return {
    podUid: metadata.uid ?? "",
    container: container.name,
    running: running !== undefined,
    hasPrevious: found?.lastState?.terminated !== undefined,
    ...(waits
      ? {
        waiting: {
          reason: waiting?.reason ?? "ContainerCreating",
          message: waiting?.message ?? "",
        },
      }
      : {}),
  };
}

// SPDX-License-Identifier: Apache-2.0
/** States of a pod that a case waits for. */
import type { ParityObservation } from "./namespace_watch.ts";
import { containersOf } from "./observed_objects.ts";
import type { PodMilestone } from "./pod_case.ts";

/** Returns a milestone as text, e.g. "phase Running". */
export function describeMilestone(milestone: PodMilestone): string {
  return Object.entries(milestone).map(([key, value]) => `${key} ${value}`)
    .join();
}

/** Returns whether a pod leaves this state again on its own. */
export function isPassing(milestone: PodMilestone): boolean {
  return "restarts" in milestone ||
    "waiting" in milestone &&
      ["CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff"].includes(
        milestone.waiting,
      );
}

/** Returns whether what was observed of a pod has this milestone now. */
export function isReached(
  milestone: PodMilestone,
  seen: ParityObservation,
): boolean {
  const { pod } = seen;
  if (!pod) return false;
  const containers = containersOf(pod);
  if ("phase" in milestone) return pod.status?.phase === milestone.phase;
  if ("ready" in milestone) {
    return pod.status?.conditions?.some(({ type, status }) =>
      type === "Ready" && status === "True"
    ) ?? false;
  }
  if ("waiting" in milestone) {
    return containers.some(({ state }) =>
      state?.waiting?.reason === milestone.waiting
    );
  }
  if ("restarts" in milestone) {
    const sum = containers.reduce((total, one) => total + one.restartCount, 0);
    return sum >= milestone.restarts;
  }
  if ("event" in milestone) {
    return seen.events.values().some(({ reason, involvedObject }) =>
      reason === milestone.event && involvedObject?.uid === pod.metadata.uid
    );
  }
  if ("started" in milestone) {
    return containers.some(({ name, state, started }) =>
      name === milestone.started && state?.running !== undefined &&
      started !== false
    );
  }
  return containers.some(({ name, state }) =>
    name === milestone.terminated && state?.terminated !== undefined
  );
}

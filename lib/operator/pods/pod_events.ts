// SPDX-License-Identifier: Apache-2.0
/** Events about the pods of one device. */
import {
  AranyaError,
  type Clock,
  defined,
  SYSTEM_CLOCK,
  TokenBucket,
} from "../../shared/base/mod.ts";
import type { EventList } from "../../shared/wire/mod.ts";
import type { EventRecorder, ObjectReference, Pod } from "../kube/mod.ts";
import type { PodWarning } from "../podspec/mod.ts";

/**
 * Returns the reference of a pod, or of one of its containers, for an Event. As with the kubelet,
 * a container is named by its field path, such as "spec.initContainers{setup}".
 */
export function toPodReference(pod: Pod, container = ""): ObjectReference {
  const { namespace = "", name, uid = "" } = pod.metadata;
  return {
    apiVersion: "v1",
    kind: "Pod",
    namespace,
    name,
    uid,
    ...defined({ fieldPath: toFieldPath(pod, container) }),
  };
}

/** Returns undefined when the pod has no such container. */
function toFieldPath({ spec }: Pod, container: string): string | undefined {
  for (const field of ["initContainers", "containers"] as const) {
    if (spec[field]?.some(({ name }) => name === container)) {
      return `spec.${field}{${container}}`;
    }
  }
  return undefined;
}

/** Bound of the Events that a device may report at once. */
const REPORTED_BURST = 500;
/** Time after which a device may report one more. */
const REPORTED_REFILL_MS = 1000;
/** Bound of the different warnings of one pod until they are cleared. */
const MAX_WARNINGS = 64;

/** Records Events about pods: those that the device reports, and the operator's own warnings. */
export class PodEvents {
  readonly #events: EventRecorder;
  readonly #nodeName: string;
  /** Warnings recorded since the last clearing, by UID of the pod. */
  readonly #recorded = new Map<string, Set<string>>();
  readonly #reportedBucket: TokenBucket;

  constructor(
    events: EventRecorder,
    { nodeName, clock = SYSTEM_CLOCK }: { nodeName: string; clock?: Clock },
  ) {
    this.#events = events;
    this.#nodeName = nodeName;
    this.#reportedBucket = new TokenBucket({
      size: REPORTED_BURST,
      refillMs: REPORTED_REFILL_MS,
      clock,
    });
  }

  /**
   * Records reported Events that concern pods, and returns the others. Those of a pod that is not
   * among `pods` are dropped: there is no object left to attach them to. So are those that come
   * too often.
   * @throws {AranyaError} code "unavailable" when the list of pods is not complete yet and lacks
   * one; the device reports the Events again then
   */
  recordReported(
    list: EventList,
    { pods, isComplete }: { pods: readonly Pod[]; isComplete: boolean },
  ): EventList["events"] {
    const byUid = new Map(pods.map((pod) => [pod.metadata.uid ?? "", pod]));
    const isUnknown = ({ podUid }: { podUid: string }) =>
      podUid !== "" && !byUid.has(podUid);
    if (!isComplete && list.events.some(isUnknown)) {
      throw new AranyaError(
        "unavailable",
        "Cannot record Events: the pods of this node are not known yet",
      );
    }
    return list.events.filter(({ podUid, ...event }) => {
      if (podUid === "") return true;
      const pod = byUid.get(podUid);
      if (!pod || !this.#reportedBucket.take()) return false;
      this.#events.record({
        involvedObject: toPodReference(pod, event.container),
        type: event.warning ? "Warning" : "Normal",
        reason: event.reason,
        message: event.message,
        host: this.#nodeName,
      });
      return false;
    });
  }

  /**
   * Records warnings about a pod, each one once until {@linkcode clearWarnings}, and no more than a
   * bound: a message may contain something that differs each time.
   */
  warnOnce(pod: Pod, warnings: readonly PodWarning[]): void {
    const { uid = "" } = pod.metadata;
    const recorded = this.#recorded.get(uid) ?? new Set<string>();
    for (const { reason, message, container } of warnings) {
      const key = JSON.stringify([reason, container ?? "", message]);
      if (recorded.has(key) || recorded.size >= MAX_WARNINGS) continue;
      recorded.add(key);
      this.#events.record({
        involvedObject: toPodReference(pod, container),
        type: "Warning",
        reason,
        message,
        host: this.#nodeName,
      });
    }
    if (recorded.size > 0) this.#recorded.set(uid, recorded);
  }

  /** Lets warnings about a pod be recorded again, after their causes have been resolved. */
  clearWarnings(uid: string): void {
    this.#recorded.delete(uid);
  }
}

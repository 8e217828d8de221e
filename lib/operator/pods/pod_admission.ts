// SPDX-License-Identifier: Apache-2.0
/** Pods that their device doesn't take, since it is short of memory or disk space. */
import type { PodRejection } from "../../shared/wire/mod.ts";
import { keyOf, type Pod } from "../kube/mod.ts";
import { findPodRejection } from "../podspec/mod.ts";
import type { DevicePods } from "./device_pods.ts";
import type { PodNode } from "./device_state.ts";
import type { PodEvents } from "./pod_events.ts";
import type { PodStatusWriter } from "./status_writer.ts";
import type { EnqueuePod } from "./subscriptions.ts";

/** Options of {@linkcode PodAdmission}. */
export interface PodAdmissionOptions {
  node: Pick<PodNode, "pressures">;
  devicePods: Pick<DevicePods, "find" | "hasAccepted">;
  events: Pick<PodEvents, "warnOnce">;
  statusWriter: Pick<PodStatusWriter, "latest" | "write">;
  /** Enqueues a pod to be synced again. */
  enqueue: EnqueuePod;
}

/** When to check again a pod that has changed. */
const RECHECK_MS = 2000;

/**
 * Makes pods Failed that a kubelet doesn't admit. The operator decides about pods that were never
 * sent, by what the device reports: their controllers may create others without end, and none of
 * them costs the device a request. About all others, and while nothing is reported, the device
 * decides; it takes every pod that it has.
 */
export class PodAdmission {
  readonly #options: PodAdmissionOptions;

  constructor(options: PodAdmissionOptions) {
    this.#options = options;
  }

  /**
   * Returns why the device doesn't take this pod; undefined when it may, or when the pod may have
   * been sent.
   */
  findRejection(pod: Pod): PodRejection | undefined {
    const { node, devicePods } = this.#options;
    const { uid = "" } = pod.metadata;
    const mayBeSent = pod.status?.startTime !== undefined ||
      devicePods.find(uid) !== undefined || devicePods.hasAccepted(uid);
    return mayBeSent ? undefined : findPodRejection(pod, node.pressures);
  }

  /** Makes a pod Failed of which the device has nothing, unless it has changed meanwhile. */
  async reject(
    pod: Pod,
    { rejection, signal }: { rejection: PodRejection; signal: AbortSignal },
  ): Promise<void> {
    const { events, statusWriter, enqueue } = this.#options;
    const latest = statusWriter.latest(pod);
    if (!await statusWriter.write({ pod: latest, rejection }, signal)) {
      return enqueue(keyOf(pod), { afterMs: RECHECK_MS });
    }
    const { reason, message } = rejection;
    events.warnOnce(pod, [{ reason, message }]);
  }
}

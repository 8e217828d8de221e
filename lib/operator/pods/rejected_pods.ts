// SPDX-License-Identifier: Apache-2.0
/** Pods that are bound to a device's Node and never run there. */
import { type AranyaError, hasCode } from "../../shared/base/mod.ts";
import { keyOf, type Pod } from "../kube/mod.ts";
import type { PodWarning } from "../podspec/mod.ts";
import type { PodNode } from "./device_state.ts";
import type { PodEvents } from "./pod_events.ts";
import type { PodSources } from "./sources.ts";
import type { EnqueuePod } from "./subscriptions.ts";

/** Options of {@linkcode RejectedPods}. */
export interface RejectedPodsOptions {
  node: Pick<PodNode, "name" | "isVirtualPod">;
  sources: Pick<PodSources, "serves">;
  events: Pick<PodEvents, "warnOnce">;
  /** Deletes a pod's object at once. */
  deleteObject(pod: Pod, signal: AbortSignal): Promise<void>;
  /** Enqueues a pod to be synced again. */
  enqueue: EnqueuePod;
}

/** When to try again to delete a pod that the operator may not delete. */
const FORBIDDEN_RETRY_MS = 600_000;

/**
 * Leaves pods Pending, with an Event: those of namespaces that are not served, and foreign ones
 * that bear the name of the device's virtual pod. A Failed phase would make their controllers
 * delete and create them again and again. Their deletion is finished, since no one else does it.
 */
export class RejectedPods {
  readonly #options: RejectedPodsOptions;

  constructor(options: RejectedPodsOptions) {
    this.#options = options;
  }

  /** Returns whether a pod of the Node must not be run. */
  includes({ metadata }: Pod): boolean {
    const { node, sources } = this.#options;
    return node.isVirtualPod(metadata) ||
      !sources.serves(metadata.namespace ?? "");
  }

  /** Syncs a pod that must not be run. */
  async sync(pod: Pod, signal: AbortSignal): Promise<void> {
    if (pod.metadata.deletionTimestamp !== undefined) {
      return await this.#delete(pod, signal);
    }
    this.#options.events.warnOnce(pod, [this.#toWarning(pod)]);
  }

  /** Deletes the object, if the operator has the right to. */
  async #delete(pod: Pod, signal: AbortSignal): Promise<void> {
    const { events, deleteObject, enqueue } = this.#options;
    try {
      await deleteObject(pod, signal);
    } catch (error) {
      if (!hasCode(error, "forbidden")) throw error;
      const { message } = error as AranyaError;
      events.warnOnce(pod, [{ reason: "FailedKillPod", message }]);
      enqueue(keyOf(pod), { afterMs: FORBIDDEN_RETRY_MS });
    }
  }

  #toWarning(pod: Pod): PodWarning {
    const { node } = this.#options;
    const action = `Cannot run pod "${keyOf(pod)}"`;
    if (node.isVirtualPod(pod.metadata)) {
      return {
        reason: "NameConflict",
        message:
          `${action}: device "${node.name}" has a virtual pod of this name`,
      };
    }
    const { namespace = "" } = pod.metadata;
    return {
      reason: "NamespaceNotServed",
      message:
        `${action}: node "${node.name}" runs no pods of namespace "${namespace}"`,
    };
  }
}

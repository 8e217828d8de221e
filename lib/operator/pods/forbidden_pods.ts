// SPDX-License-Identifier: Apache-2.0
/** Pods that their device's owner does not allow. */
import {
  FORBIDDEN_BY_DEVICE,
  toForbiddenMessage,
} from "../../shared/admission/mod.ts";
import type { Pod } from "../kube/mod.ts";
import type { DevicePods } from "./device_pods.ts";
import type { PodNode } from "./device_state.ts";
import type { PodEvents } from "./pod_events.ts";
import type { PodTranslations } from "./pod_translations.ts";
import type { PodStatusWriter } from "./status_writer.ts";

/** Options of {@linkcode ForbiddenPods}. */
export interface ForbiddenPodsOptions {
  node: Pick<PodNode, "podSwitches">;
  devicePods: Pick<DevicePods, "find">;
  translations: Pick<PodTranslations, "findHostNeeds">;
  events: Pick<PodEvents, "warnOnce">;
  statusWriter: Pick<PodStatusWriter, "write">;
}

/**
 * Leaves a pod that its device forbids Pending until the device's owner allows it: a Failed phase
 * would make its controller create others again and again. A pod that the device runs is ended
 * there; its report follows.
 */
export class ForbiddenPods {
  readonly #options: ForbiddenPodsOptions;

  constructor(options: ForbiddenPodsOptions) {
    this.#options = options;
  }

  /** Returns why the device's owner does not allow this pod; undefined when it may run. */
  findReason(pod: Pod): string | undefined {
    const { node: { podSwitches: switches }, translations } = this.#options;
    const { namespace = "", name } = pod.metadata;
    return switches && toForbiddenMessage({ namespace, name }, {
      needs: translations.findHostNeeds(pod),
      switches,
    });
  }

  /** Records an Event, and writes the status of a pod that the device does not run. */
  async refuse(
    pod: Pod,
    { message, accepted, signal }: {
      message: string;
      accepted: boolean;
      signal: AbortSignal;
    },
  ): Promise<void> {
    const { devicePods, events, statusWriter } = this.#options;
    const refusal = { reason: FORBIDDEN_BY_DEVICE, message };
    events.warnOnce(pod, [refusal]);
    if (devicePods.find(pod.metadata.uid ?? "")) return;
    await statusWriter.write({ pod, refusal, accepted }, signal);
  }
}

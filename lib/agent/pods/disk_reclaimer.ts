// SPDX-License-Identifier: Apache-2.0
/** Frees space on the device's disks at no pod's expense. */
import type { Logger } from "../../shared/base/mod.ts";
import type { ImageCollector, PodRuntime } from "../runtime/mod.ts";

/** Options of {@linkcode DiskReclaimer}. */
export interface DiskReclaimerOptions {
  runtime: Pick<PodRuntime, "listPods" | "removeContainer">;
  /** Absent: no image is removed. */
  images: Pick<ImageCollector, "reclaim" | "onImagePulled"> | undefined;
  pods: ReclaimedPods;
  log: Logger;
  /** Aborted when the agent stops. */
  signal: AbortSignal;
}

/** What must be known of the device's pods. */
export interface ReclaimedPods {
  /** Returns whether a pod has ended and holds nothing but dead containers. */
  isReleased(uid: string): boolean;
  /** Returns the names of images that pods of the device need. */
  listImages(): readonly string[];
}

/**
 * Frees space as a kubelet does before it evicts pods: removes the dead containers of pods that
 * have ended, with their logs, and then all images that are not used.
 */
export class DiskReclaimer {
  readonly #options: DiskReclaimerOptions;
  #running: Promise<void> | undefined;

  constructor(options: DiskReclaimerOptions) {
    this.#options = options;
  }

  /** Frees space; calls at the same time share one run. Never rejects: what fails is logged. */
  reclaim(): Promise<void> {
    this.#running ??= this.#reclaim().catch((error) => {
      if (this.#options.signal.aborted) return;
      this.#options.log.warn("space on the disk can't be freed", { error });
    }).finally(() => this.#running = undefined);
    return this.#running;
  }

  /** Records that an image was pulled for a pod, and so may be removed later. Never rejects. */
  async onImagePulled(imageId: string): Promise<void> {
    await this.#options.images?.onImagePulled(imageId);
  }

  async #reclaim(): Promise<void> {
    const { runtime, images, pods, signal } = this.#options;
    for (const { uid, containers } of await runtime.listPods()) {
      if (!pods.isReleased(uid)) continue;
      for (const { id, state } of containers) {
        signal.throwIfAborted();
        if (state === "exited") await runtime.removeContainer(id);
      }
    }
    await images?.reclaim(pods.listImages(), signal);
  }
}

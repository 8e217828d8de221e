// SPDX-License-Identifier: Apache-2.0
/** Step of a reconciliation for the device's virtual pod. */
import { type Backoff, createBackoff } from "../../shared/base/mod.ts";
import { POD, type Pod } from "../kube/mod.ts";
import type { Device } from "./device.ts";
import { lastFactsOf } from "./ensure_node.ts";
import {
  needsReplacement,
  toVirtualPod,
  toVirtualPodPatch,
} from "./virtual_pod.ts";
import type { ObjectWriter } from "./writer.ts";

/** A pod that lasted this long is created again without delay. */
const STABLE_MS = 60_000;

/**
 * Keeps the virtual pod of one device. A pod that is deleted again and again, by a user or a
 * controller, is created again with growing delays.
 */
export class VirtualPodKeeper {
  readonly #device: Device;
  readonly #writer: ObjectWriter;
  readonly #backoff: Backoff = createBackoff({
    initialDelayMs: 500,
    maxDelayMs: 60_000,
  });
  /** Whether there was a pod before, so that creating one is a replacement. */
  #hadPod = false;
  /** On the clock's monotonic time. */
  #createdMs = -Infinity;
  /** When the pod may be created, on the clock's monotonic time; undefined: not planned. */
  #dueMs: number | undefined;

  constructor(device: Device, writer: ObjectWriter) {
    this.#device = device;
    this.#writer = writer;
  }

  /**
   * Creates or replaces the pod, and writes its status. A foreign pod of the name is reported as a
   * conflict.
   */
  async ensure(signal: AbortSignal): Promise<void> {
    const { edge, context, name } = this.#device;
    const { namespace, sources } = context.kube;
    const key = `${namespace}/${name}`;
    let pod = this.#writer.latest(POD.kind, sources.findPod(key));
    if (pod && this.#writer.ownership(pod) === "foreign") {
      return this.#writer.reportConflict(POD.kind, key);
    }
    if (
      pod && needsReplacement(pod, { name, uid: edge.metadata.uid ?? "" })
    ) {
      await this.#writer.delete(POD, pod, signal);
      pod = undefined;
      this.#hadPod = true;
    }
    if (!pod) {
      const delayMs = this.#delayOfCreation();
      if (delayMs > 0) return context.queue.enqueue(name, { afterMs: delayMs });
      pod = await this.#create(signal);
    }
    this.#hadPod = true;
    if (pod) await this.#writeStatus(pod, signal);
  }

  /**
   * Deletes the pod, because its Node is another kubelet's now. A foreign pod of the name stays.
   */
  async remove(signal: AbortSignal): Promise<void> {
    const { namespace, sources } = this.#device.context.kube;
    const key = `${namespace}/${this.#device.name}`;
    const pod = this.#writer.latest(POD.kind, sources.findPod(key));
    if (!pod || this.#writer.ownership(pod) === "foreign") return;
    await this.#writer.delete(POD, pod, signal);
  }

  /** Returns how long the pod must not be created yet, in milliseconds. */
  #delayOfCreation(): number {
    if (!this.#hadPod) return 0;
    const nowMs = this.#device.context.clock.monotonicMs();
    if (this.#dueMs === undefined) {
      if (nowMs - this.#createdMs > STABLE_MS) this.#backoff.reset();
      this.#dueMs = nowMs + this.#backoff.next();
    }
    return Math.max(0, this.#dueMs - nowMs);
  }

  async #create(signal: AbortSignal): Promise<Pod | undefined> {
    const { edge, context } = this.#device;
    const pod = await this.#writer.create(POD, toVirtualPod(edge), {
      signal,
      ownershipOf: (found) => this.#writer.ownership(found),
    });
    this.#createdMs = context.clock.monotonicMs();
    this.#dueMs = undefined;
    return pod;
  }

  async #writeStatus(pod: Pod, signal: AbortSignal): Promise<void> {
    const { edge, context, link } = this.#device;
    const body = toVirtualPodPatch(pod, {
      ...link.toConnectedCondition(edge),
      facts: lastFactsOf(this.#device),
      nowMs: context.clock.wallMs(),
    });
    if (!body) return;
    await this.#writer.patch(POD, pod, {
      body,
      kind: "strategic",
      subresource: "status",
      signal,
    });
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Reconciles everything that an EdgeDevice stands for on the API server. */
import { asAranyaError } from "../../shared/base/mod.ts";
import type { KubeObject } from "../kube/mod.ts";
import { AgentSecret } from "./agent_secret.ts";
import type { Device } from "./device.ts";
import { ensureFinalizer, writeStatus } from "./ensure_edge.ts";
import {
  claimPodRange,
  ensureLease,
  ensureNode,
  openKubelet,
} from "./ensure_node.ts";
import { ensureEndpointSlice, ensureService } from "./ensure_service.ts";
import { VirtualPodKeeper } from "./ensure_virtual_pod.ts";
import { addressConflict, type ProblemCondition } from "./problems.ts";
import { ObjectWriter, settleAll } from "./writer.ts";

/** Foreign objects are not watched, so a conflict is checked again after this time. */
const CONFLICT_RETRY_MS = 30_000;

/**
 * Brings the objects of one device to their desired state. Level-based: each call reads the present
 * state and writes only what differs.
 */
export class DeviceReconciler {
  readonly #device: Device;
  readonly #writer: ObjectWriter;
  readonly #secret: AgentSecret;
  readonly #virtualPod: VirtualPodKeeper;

  constructor(device: Device) {
    this.#device = device;
    this.#writer = new ObjectWriter(device.context.kube.client);
    this.#secret = new AgentSecret(device, this.#writer);
    this.#virtualPod = new VirtualPodKeeper(device, this.#writer);
  }

  /** Drops what was written of this kind, because an informer saw that the object was deleted. */
  forgetWrite(kind: string): void {
    this.#writer.forgetWrite(kind);
  }

  /** Returns the newer one of the informer's object and what was written. */
  latest<T extends KubeObject>(
    kind: string,
    stored: T | undefined,
  ): T | undefined {
    return this.#writer.latest(kind, stored);
  }

  /**
   * Reconciles all objects and writes the status last. Calls must not overlap.
   * @throws {AranyaError} what kept it from being completed; it is in the status too. Retry later.
   */
  async reconcile(signal: AbortSignal): Promise<void> {
    const device = this.#device;
    const problems: ProblemCondition[] = [];
    this.#writer.begin(device.edge);
    const isServed = device.edge.spec?.connectivity?.method !== "mqtt";
    const podCidr = isServed ? this.#claimPodRange(problems) : "";
    let error: unknown;
    try {
      if (isServed) await this.#ensureObjects(podCidr, signal);
    } catch (cause) {
      error = cause;
    }
    if (!isUnreachable(error)) {
      await writeStatus(device, {
        podCidr,
        error,
        problems: [...this.#writer.conflicts, ...problems],
        signal,
      });
    }
    if (error) throw error;
    if (this.#writer.conflicts.length > 0) {
      device.context.queue.enqueue(device.name, { afterMs: CONFLICT_RETRY_MS });
    }
  }

  /**
   * The finalizer comes before all objects; the Node needs the kubelet's port, the rest the Node.
   */
  async #ensureObjects(podCidr: string, signal: AbortSignal): Promise<void> {
    const device = this.#device;
    const writer = this.#writer;
    await ensureFinalizer(device, { secret: this.#secret, signal });
    await openKubelet(device);
    const node = await ensureNode(device, { writer, podCidr, signal });
    if (!node) {
      // The name is taken, see NameConflict.
      await device.onNodeForeign();
      await this.#virtualPod.remove(signal);
      return;
    }
    device.onNodeOurs();
    await settleAll([
      ensureLease(device, { node, writer, signal }),
      this.#secret.ensure(signal),
      ensureService(device, { writer, signal }),
      ensureEndpointSlice(device, { writer, signal }),
      this.#virtualPod.ensure(signal),
    ]);
    device.configure(node.spec?.podCIDR ?? podCidr);
    device.rotation.send();
    if (device.kubelet) {
      device.context.kubelets.requestCertificate(device.edge, device.kubelet);
    }
  }

  #claimPodRange(problems: ProblemCondition[]): string {
    const { cidr, overlapsWith } = claimPodRange(this.#device);
    if (overlapsWith) problems.push(addressConflict(cidr, overlapsWith));
    return cidr;
  }
}

/**
 * Returns whether the API server takes no writes now, so that the status can't be written either.
 */
function isUnreachable(error: unknown): boolean {
  if (error === undefined) return false;
  const { code } = asAranyaError(error, "Cannot reconcile device");
  return code === "cancelled" || code === "unauthorized";
}

// SPDX-License-Identifier: Apache-2.0
/** The steps of a reconciliation that write the device's objects, in order. */
import type { Node } from "../kube/mod.ts";
import type { AgentSecret } from "./agent_secret.ts";
import type { Device } from "./device.ts";
import { ensureFinalizer } from "./ensure_edge.ts";
import {
  ensureLease,
  ensureNode,
  openKubelet,
  ownNodeOf,
} from "./ensure_node.ts";
import { ensureEndpointSlice, ensureService } from "./ensure_service.ts";
import type { VirtualPodKeeper } from "./ensure_virtual_pod.ts";
import { FINALIZER } from "./metadata.ts";
import type { NetworkConditionLimit } from "./network_condition.ts";
import type { ObjectWriter } from "./writer.ts";

/** Options of {@linkcode ensureObjects}. */
export interface EnsureObjectsOptions {
  writer: ObjectWriter;
  secret: AgentSecret;
  virtualPod: VirtualPodKeeper;
  networkLimit: NetworkConditionLimit;
  /** Range of the device's pods; empty: none is free, and no pods are run. */
  podCidr: string;
  signal: AbortSignal;
}

/**
 * Creates and updates all objects of a device, and lets it be served. An object that can't be
 * written keeps neither the others from being written nor a known device from being served; only
 * a new Node waits for finalizer and kubelet server, and the other objects for the Node.
 * @returns what kept objects from being written; empty when all are as desired
 */
export async function ensureObjects(
  device: Device,
  options: EnsureObjectsOptions,
): Promise<unknown[]> {
  const sync = new ObjectSync(device, options);
  await sync.run();
  return sync.errors;
}

class ObjectSync {
  readonly errors: unknown[] = [];
  readonly #device: Device;
  readonly #options: EnsureObjectsOptions;

  constructor(device: Device, options: EnsureObjectsOptions) {
    this.#device = device;
    this.#options = options;
  }

  async run(): Promise<void> {
    const device = this.#device;
    const { writer, secret, virtualPod, signal } = this.#options;
    // Needs no write, so that a known device runs its pods whatever fails below.
    const known = ownNodeOf(device);
    if (known) this.#configure(known);
    await this.#attempt(() => secret.checkRevocation(signal));
    await this.#attempt(() => ensureFinalizer(device, { secret, signal }));
    // Without it nothing would remove the objects of a deleted EdgeDevice.
    if (!device.edge.metadata.finalizers?.includes(FINALIZER)) return;
    await this.#attempt(() => openKubelet(device));
    const node = device.kubelet ? await this.#ensureNode(known) : known;
    if (!node) return;
    this.#configure(node);
    await Promise.all([
      () => ensureLease(device, { node, writer, signal }),
      () => secret.ensure(signal),
      () => ensureService(device, { writer, signal }),
      () => ensureEndpointSlice(device, { writer, signal }),
      () => virtualPod.ensure(signal),
    ].map((step) => this.#attempt(step)));
    device.rotation.send();
    if (device.kubelet) {
      device.context.kubelets.requestCertificate(device.edge, device.kubelet);
    }
  }

  /**
   * Returns the Node as it is now, or as it is known when it can't be updated; undefined when there
   * is none, or another kubelet has it.
   */
  async #ensureNode(known: Node | undefined): Promise<Node | undefined> {
    const device = this.#device;
    const { virtualPod, signal } = this.#options;
    let node: Node | undefined;
    try {
      node = await ensureNode(device, this.#options);
    } catch (error) {
      this.errors.push(error);
      return device.ownsNode ? known : undefined;
    }
    if (node) {
      device.onNodeOurs();
      return node;
    }
    // The name is taken, see NameConflict.
    await device.onNodeForeign();
    await this.#attempt(() => virtualPod.remove(signal));
    return undefined;
  }

  #configure(node: Node): void {
    const cidr = node.spec?.podCIDR ?? this.#options.podCidr;
    // Without a range of its own a pod's address could lead to another machine.
    if (cidr !== "" && this.#device.isServed) this.#device.configure(cidr);
  }

  async #attempt(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.errors.push(error);
    }
  }
}

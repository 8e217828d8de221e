// SPDX-License-Identifier: Apache-2.0
/** What the pod controller and the kubelet API handlers read of one device. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { PodTarget } from "../../shared/exec/mod.ts";
import type { EdgeDevice } from "../kube/mod.ts";
import {
  type ContainerTarget,
  type LinkState,
  type PodDirectory,
  type PodList,
  type PodNode,
  type PodSettings,
  type PodSources,
  toPodList,
} from "../pods/mod.ts";
import type { DeviceSettings } from "./context.ts";
import type { DeviceLink } from "./link.ts";
import { HOST_CONTAINER } from "./virtual_pod.ts";

/** The parts of a device that these objects read; a `Device` has them all. */
export interface DeviceParts {
  readonly edge: EdgeDevice;
  readonly settings: Pick<DeviceSettings, "requestTimeoutMs" | "podSyncMs">;
  readonly link: Pick<DeviceLink, "session" | "offlineSinceMs" | "mayReturn">;
}

/** Settings for the device's pods, by the EdgeDevice as it was observed last. */
export class DevicePodSettings implements PodSettings {
  readonly #device: Pick<DeviceParts, "edge" | "settings">;

  constructor(device: Pick<DeviceParts, "edge" | "settings">) {
    this.#device = device;
  }

  get requestTimeoutMs(): number {
    return this.#device.settings.requestTimeoutMs;
  }

  get podSyncMs(): number {
    return this.#device.settings.podSyncMs;
  }

  get dns(): PodSettings["dns"] {
    return toPodDns(this.#device.edge);
  }
}

/** State of the device's link, by the EdgeDevice as it was observed last. */
export class DeviceLinkState implements LinkState {
  readonly #device: Pick<DeviceParts, "edge" | "link">;

  constructor(device: Pick<DeviceParts, "edge" | "link">) {
    this.#device = device;
  }

  get connected(): boolean {
    return this.#device.link.session.connected;
  }

  get offlineSinceMs(): number | undefined {
    return this.#device.link.offlineSinceMs;
  }

  get mayReturn(): boolean {
    return this.#device.link.mayReturn(this.#device.edge);
  }
}

/** Options of {@linkcode DevicePodDirectory}. */
export interface DevicePodDirectoryOptions {
  node: Pick<PodNode, "name" | "isVirtualPod">;
  /** The device's pods without the virtual one. */
  pods: PodDirectory;
  sources: Pick<PodSources, "findPod">;
  /** Namespace of the virtual pod. */
  namespace: string;
}

/** The device's pods with its virtual pod, whose only container is the device's host. */
export class DevicePodDirectory implements PodDirectory {
  readonly #options: DevicePodDirectoryOptions;

  constructor(options: DevicePodDirectoryOptions) {
    this.#options = options;
  }

  /** See {@linkcode PodDirectory.findContainer}. */
  findContainer(target: PodTarget): ContainerTarget {
    const { node, pods } = this.#options;
    const { namespace, pod, container } = target;
    if (!node.isVirtualPod({ namespace, name: pod })) {
      return pods.findContainer(target);
    }
    if (container !== "" && container !== HOST_CONTAINER) {
      throw new AranyaError(
        "not_found",
        `Cannot find container "${container}" of pod "${namespace}/${pod}": its one container is "${HOST_CONTAINER}"`,
      );
    }
    return {
      podUid: "",
      container: HOST_CONTAINER,
      running: true,
      hasPrevious: false,
    };
  }

  /** See {@linkcode PodDirectory.list}. */
  list(options: { running: boolean }): PodList {
    const { node, pods, sources, namespace } = this.#options;
    const virtualPod = sources.findPod(`${namespace}/${node.name}`);
    const { items } = pods.list(options);
    return toPodList(virtualPod ? [virtualPod, ...items] : items);
  }

  /** See {@linkcode PodDirectory.nameOf}. */
  nameOf(uid: string): { namespace: string; name: string } | undefined {
    return this.#options.pods.nameOf(uid);
  }
}

/** Returns the DNS settings of the EdgeDevice for its pods; undefined when it has none. */
export function toPodDns(
  edge: EdgeDevice,
): { servers: string[]; searches: string[]; options: string[] } | undefined {
  const dns = edge.spec?.pod?.dns;
  if (!dns) return undefined;
  const { servers = [], searches = [], options = [] } = dns;
  return { servers, searches, options };
}

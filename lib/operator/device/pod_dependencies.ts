// SPDX-License-Identifier: Apache-2.0
/** What pods and kubelet API calls read of one device. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { PodTarget } from "../../shared/exec/mod.ts";
import type { EdgeDevice, ObjectRef } from "../kube/mod.ts";
import {
  type ContainerTarget,
  type LinkState,
  type PodDirectory,
  type PodList,
  type PodSettings,
  toPodList,
} from "../pods/mod.ts";
import type { DeviceContext, DeviceSettings } from "./context.ts";
import type { DeviceLink } from "./link.ts";
import { HOST_CONTAINER } from "./virtual_pod.ts";

/** The parts of a device that these objects read; a Device has them all. */
export interface DeviceParts {
  readonly name: string;
  readonly edge: EdgeDevice;
  readonly settings: Pick<DeviceSettings, "requestTimeoutMs" | "podSyncMs">;
  readonly context: Pick<DeviceContext, "namespace" | "sources">;
  readonly link: Pick<DeviceLink, "session" | "offlineSinceMs" | "mayReturn">;
  readonly pods: { readonly directory: PodDirectory };
  isVirtualPod(ref: ObjectRef): boolean;
}

/** Settings of the EdgeDevice as it was seen last. */
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

/** State of the device's link, by the EdgeDevice as it was seen last. */
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

/** The device's pods and its virtual pod, whose one container is the device's host. */
export class DevicePodDirectory implements PodDirectory {
  readonly #device: Pick<
    DeviceParts,
    "name" | "context" | "pods" | "isVirtualPod"
  >;

  constructor(
    device: Pick<DeviceParts, "name" | "context" | "pods" | "isVirtualPod">,
  ) {
    this.#device = device;
  }

  findContainer(target: PodTarget): ContainerTarget {
    const { namespace, pod, container } = target;
    if (!this.#device.isVirtualPod({ namespace, name: pod })) {
      return this.#device.pods.directory.findContainer(target);
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

  list(options: { running: boolean }): PodList {
    const { context, name, pods } = this.#device;
    const virtual = context.sources.findPod(`${context.namespace}/${name}`);
    const { items } = pods.directory.list(options);
    return toPodList(virtual ? [virtual, ...items] : items);
  }

  nameOf(uid: string): { namespace: string; name: string } | undefined {
    return this.#device.pods.directory.nameOf(uid);
  }
}

/** Returns the name servers and search list that the EdgeDevice sets for its pods; undefined when it sets none. */
export function toPodDns(
  edge: EdgeDevice,
): { servers: string[]; searches: string[]; options: string[] } | undefined {
  const dns = edge.spec?.pod?.dns;
  if (!dns) return undefined;
  const { servers = [], searches = [], options = [] } = dns;
  return { servers, searches, options };
}

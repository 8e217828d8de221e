// SPDX-License-Identifier: Apache-2.0
/**
 * What the pod controller and the kubelet API handlers read of one device; the device implements
 * these.
 */
import type { ObjectRef } from "../kube/mod.ts";
import type { PodDns } from "../podspec/mod.ts";

/** State of one device's link, read anew on each use. */
export interface LinkState {
  /** Whether the device is connected now. */
  readonly connected: boolean;
  /**
   * Since when the device is offline, in milliseconds since 1970.
   * Undefined while it is connected, and when this process has never seen it.
   */
  readonly offlineSinceMs: number | undefined;
  /** Whether an offline device is expected back within seconds, so that a call may wait for it. */
  readonly mayReturn: boolean;
}

/**
 * Settings of one device that concern its pods, read anew on each use: a user may change them at
 * any time.
 */
export interface PodSettings {
  /** Timeout of one request to the device, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Interval between two comparisons with the device's whole list of pods, in milliseconds. */
  readonly podSyncMs: number;
  /** Name servers and search list of the device's pods; undefined: the device uses its own. */
  readonly dns: PodDns | undefined;
}

/** One device's Node, as far as its pods depend on it. */
export interface PodNode {
  /** Name of the Node, which is the device's name too. */
  readonly name: string;
  /**
   * What the Node offers; it stands in for a missing limit in a `resourceFieldRef`.
   * Its properties throw an AranyaError "unavailable" until the device has reported its size.
   */
  readonly allocatable: {
    readonly cpuMillis: number;
    readonly memoryBytes: number;
  };
  /** Whether this names the virtual pod of the device, which is never sent there. */
  isVirtualPod(ref: ObjectRef): boolean;
}

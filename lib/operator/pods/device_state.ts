// SPDX-License-Identifier: Apache-2.0
/** What pods and kubelet API calls read of one device; the device implements these interfaces. */
import type { PodSwitches } from "../../shared/config/mod.ts";
import type { ObjectRef, Pod } from "../kube/mod.ts";
import type { Allocatable, PodDns } from "../podspec/mod.ts";

/** State of one device's link. Each use reads the current state. */
export interface LinkState {
  /** Whether the device is connected. */
  readonly connected: boolean;
  /**
   * Since when the device is offline, in milliseconds since 1970. Undefined while it is connected,
   * and when this process has never seen it.
   */
  readonly offlineSinceMs: number | undefined;
  /** Whether an offline device is expected back within seconds, so that a call may wait for it. */
  readonly mayReturn: boolean;
}

/** Settings of one device that concern its pods. Each use reads the current EdgeDevice. */
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
   * What the Node offers. Reading one of its properties throws an AranyaError "unavailable" until
   * the device has reported its size.
   */
  readonly allocatable: Allocatable;
  /**
   * What the device's owner allows pods to do to the host, as the device reported it to this
   * process; undefined: nothing is known to be forbidden.
   */
  readonly podSwitches: PodSwitches | undefined;
  /**
   * Types of the conditions of pressure that the device reports as true over the link that is up;
   * empty while that is not known.
   */
  readonly pressures: readonly string[];
  /** Returns whether this names the device's virtual pod, which is never sent to the device. */
  isVirtualPod(ref: ObjectRef): boolean;
  /** Returns whether a pod of that name was made for the device; else it is a foreign one. */
  ownsVirtualPod(pod: Pod): boolean;
}

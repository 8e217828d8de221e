// SPDX-License-Identifier: Apache-2.0
/** The stream lane: what the kubelet face asks of a device, carried over its session. */
import { AranyaError, type Clock } from "../base/mod.ts";
import type { KubeletHandlers, PodTarget } from "../kubelet/mod.ts";
import type { Session } from "../session/mod.ts";

/** Options of {@linkcode createStreamHandlers}. */
export interface StreamHandlersOptions {
  /** The device's name, which is its node's too. */
  device: string;
  session: Session;
  /** Since when the device is away, in wall-clock milliseconds; undefined: connected, or never seen. */
  offlineSinceMs(): number | undefined;
  /**
   * Finds what a URL names, in the operator's own stores; an empty container means the pod's default one.
   * @throws {AranyaError} "not_found" for a pod or container that isn't there
   */
  findTarget(target: PodTarget): Promise<StreamTarget> | StreamTarget;
  /** PodList object for /pods (`running: false`) and /runningpods. */
  listPods(options: { running: boolean }): Promise<unknown> | unknown;
  /** Names a pod by its UID, for statistics; undefined: not known, left out. */
  nameOfPod(uid: string): { namespace: string; name: string } | undefined;
  clock?: Clock;
}

/** What a URL's names stand for. */
export interface StreamTarget {
  /** Empty for the virtual pod: the device's host. */
  podUid: string;
  /** The container's name, never empty. */
  container: string;
  /** Set: the container waits, with this reason (ContainerCreating, …). */
  waiting?: { reason: string; message: string };
  /** Whether there is an earlier instance of the container whose log could be asked for. */
  hasPrevious?: boolean;
  /** Whether the container runs now. */
  running?: boolean;
}

/** Handlers of one device, for its kubelet server. */
export function createStreamHandlers(
  options: StreamHandlersOptions,
): KubeletHandlers {
  throw new AranyaError(
    "unsupported",
    `Cannot serve device ${JSON.stringify(options.device)}: not built yet`,
  );
}

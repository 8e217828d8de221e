// SPDX-License-Identifier: Apache-2.0
/** Fields of Pods and Events that the recorder reads. */

/** A Pod of the API. */
export interface ObservedPod {
  metadata: {
    name?: string;
    uid: string;
    generation?: number;
    deletionTimestamp?: string;
  };
  spec: { nodeName?: string };
  status?: ObservedStatus;
}

/** `status` of a Pod; fields that are not named here are recorded too. */
export interface ObservedStatus extends Record<string, unknown> {
  phase?: string;
  reason?: string;
  message?: string;
  observedGeneration?: number;
  podIP?: string;
  hostIP?: string;
  conditions?: ObservedCondition[];
  containerStatuses?: ObservedContainer[];
  initContainerStatuses?: ObservedContainer[];
  ephemeralContainerStatuses?: ObservedContainer[];
}

/** A condition of a Pod. */
export interface ObservedCondition {
  type: string;
  status: string;
  reason?: string;
}

/** Status of a container. */
export interface ObservedContainer {
  name: string;
  ready: boolean;
  started?: boolean;
  restartCount: number;
  containerID?: string;
  state?: {
    running?: object;
    waiting?: { reason?: string };
    terminated?: { reason?: string; exitCode: number };
  };
}

/** An Event of the API. */
export interface ObservedEvent {
  metadata: { name: string };
  involvedObject?: { name?: string; uid?: string; fieldPath?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  source?: { component?: string; host?: string };
  reportingComponent?: string;
  reportingInstance?: string;
}

/** Returns all container statuses of a Pod. */
export function containersOf(pod: ObservedPod): ObservedContainer[] {
  const { status = {} } = pod;
  return [
    ...status.initContainerStatuses ?? [],
    ...status.containerStatuses ?? [],
    ...status.ephemeralContainerStatuses ?? [],
  ];
}

/** Returns a container's state in a few words, e.g. `waiting:CrashLoopBackOff restarts=1`. */
export function describeState(container: ObservedContainer): string {
  const { state = {}, restartCount, ready } = container;
  const text = state.running
    ? ready ? "running ready" : "running"
    : state.terminated
    ? `terminated:${state.terminated.reason}:${state.terminated.exitCode}`
    : `waiting:${state.waiting?.reason ?? ""}`;
  return restartCount > 0 ? `${text} restarts=${restartCount}` : text;
}

// SPDX-License-Identifier: Apache-2.0
/** The virtual pod of a device, as pure functions. */
import { isIP } from "node:net";
import { toRfc3339 } from "../../shared/base/mod.ts";
import {
  type EdgeDevice,
  type Pod,
  type PodCondition,
  type ReportedFacts,
  toConditionsPatch,
} from "../kube/mod.ts";
import { covers } from "./covers.ts";
import { ownedMeta } from "./metadata.ts";
import type { ConnectedCondition } from "./status.ts";

/** Name of the virtual pod's only container, which stands for the device's host. */
export const HOST_CONTAINER = "host";
const IMAGE = "aranya/host";

/**
 * Returns the virtual pod, which stands for the device's host and is never sent to the device.
 *
 * Its grace period is 0, so that the API server deletes it without an answer of the device. It
 * tolerates every taint and has the priority of a node's own pods, so that it is neither evicted
 * nor preempted.
 */
export function toVirtualPod(edge: EdgeDevice): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: ownedMeta(edge, edge.metadata.name),
    spec: {
      nodeName: edge.metadata.name,
      hostNetwork: true,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      priorityClassName: "system-node-critical",
      restartPolicy: "Always",
      tolerations: [{ operator: "Exists" }],
      containers: [{
        name: HOST_CONTAINER,
        image: IMAGE,
        imagePullPolicy: "IfNotPresent",
        tty: true,
        stdin: true,
      }],
    },
  };
}

/**
 * Returns whether a virtual pod has to be replaced: it is being deleted, has terminated, is bound
 * to another node, or belongs to a deleted EdgeDevice of the same name.
 */
export function needsReplacement(
  pod: Pod,
  device: { name: string; uid: string },
): boolean {
  return pod.metadata.deletionTimestamp !== undefined ||
    pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded" ||
    pod.spec?.nodeName !== device.name ||
    !pod.metadata.ownerReferences?.some(({ uid }) => uid === device.uid);
}

/** What a virtual pod's status is computed from. */
export interface VirtualPodInput extends ConnectedCondition {
  facts?: ReportedFacts | undefined;
  /** Milliseconds since 1970. */
  nowMs: number;
}

/**
 * Returns a strategic merge patch of the pod's status, or undefined when it is up to date. The pod
 * is Running all the time, and Ready while the link is up.
 */
export function toVirtualPodPatch(
  pod: Pod,
  input: VirtualPodInput,
): { status: Record<string, unknown> } | undefined {
  const { connected, facts, nowMs } = input;
  const actual = pod.status ?? {};
  const conditions = toConditionsPatch(toPodConditions(input), {
    former: actual.conditions,
    nowMs,
  });
  const startTime = actual.startTime ?? toRfc3339(nowMs);
  const status: Record<string, unknown> = {
    phase: "Running",
    startTime,
    ...toPodAddresses(facts),
    containerStatuses: [{
      name: HOST_CONTAINER,
      image: IMAGE,
      imageID: "",
      containerID: `aranya://${pod.metadata.uid}`,
      ready: connected,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: startTime } },
    }],
  };
  for (const [key, value] of Object.entries(status)) {
    if (covers(actual[key as keyof typeof actual], value)) delete status[key];
  }
  // These lists would be merged by address otherwise, and a former one would stay.
  for (const key of ["hostIPs", "podIPs"]) {
    const list = status[key];
    if (Array.isArray(list)) status[key] = [...list, { "$patch": "replace" }];
  }
  if (conditions.length > 0) status.conditions = conditions;
  return Object.keys(status).length > 0 ? { status } : undefined;
}

function toPodConditions(
  { connected, reason, message }: VirtualPodInput,
): PodCondition[] {
  return [
    { type: "Initialized", status: "True" },
    { type: "PodReadyToStartContainers", status: "True" },
    ...["ContainersReady", "Ready"].map((type): PodCondition =>
      connected
        ? { type, status: "True" }
        : { type, status: "False", reason, message }
    ),
  ];
}

/**
 * Returns host and pod addresses, which are the device's own; nothing until it has reported some.
 * The lists have at most one address of each family, as the API server requires.
 */
function toPodAddresses(facts: ReportedFacts | undefined) {
  // The API server would refuse the whole status for one invalid address.
  const addresses = (facts?.addresses ?? []).filter((address) =>
    isIP(address) !== 0 && !address.includes("%")
  );
  const [first] = addresses;
  if (!first) return {};
  const other = addresses.find((address) =>
    address.includes(":") !== first.includes(":")
  );
  const list = (other ? [first, other] : [first]).map((ip) => ({ ip }));
  return { hostIP: first, hostIPs: list, podIP: first, podIPs: list };
}

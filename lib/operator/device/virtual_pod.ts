// SPDX-License-Identifier: Apache-2.0
/** The virtual pod: it stands for the device's host and is never sent to the device. Pure: values in, objects out. */
import { isIP } from "node:net";
import type {
  EdgeDevice,
  Pod,
  PodCondition,
  ReportedFacts,
} from "../kube/mod.ts";
import { covers, ownedMeta } from "./objects.ts";

/** The one container of a virtual pod. */
export const HOST_CONTAINER = "host";
const IMAGE = "aranya/host";

/**
 * The pod. No grace: nothing runs for it, so the API server may finish its deletion by itself, whatever the device does. It tolerates
 * everything and has the priority of a node's own pods, so that neither eviction nor preemption takes it.
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

/** Whether a virtual pod can't serve any more: being deleted, ended, elsewhere, or of a former EdgeDevice. */
export function isSpent(
  pod: Pod,
  device: { name: string; uid: string },
): boolean {
  return pod.metadata.deletionTimestamp !== undefined ||
    pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded" ||
    pod.spec?.nodeName !== device.name ||
    !pod.metadata.ownerReferences?.some(({ uid }) => uid === device.uid);
}

/** What a virtual pod's status is made of. */
export interface VirtualPodWish {
  /** Whether the link is up. */
  connected: boolean;
  /** Why not, e.g. "DeviceOffline"; empty when connected. */
  reason: string;
  message: string;
  facts?: ReportedFacts | undefined;
  nowMs: number;
}

/** A strategic patch of the pod's status, or undefined when all is right. */
export function toVirtualPodPatch(
  pod: Pod,
  wish: VirtualPodWish,
): { status: Record<string, unknown> } | undefined {
  const now = new Date(wish.nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const actual = pod.status ?? {};
  const wanted = ["Initialized", "PodReadyToStartContainers"].map((type) => ({
    type,
    status: "True",
  })).concat(["ContainersReady", "Ready"].map((type) => ({
    type,
    status: wish.connected ? "True" : "False",
    ...(wish.connected ? {} : { reason: wish.reason, message: wish.message }),
  })));
  const conditions = wanted.flatMap((condition) => {
    const before = actual.conditions?.find(({ type }) =>
      type === condition.type
    );
    if (before && sameCondition(before, condition)) return [];
    return [{
      reason: null,
      message: null,
      ...condition,
      lastTransitionTime: before?.status === condition.status
        ? before.lastTransitionTime ?? now
        : now,
    }];
  });
  const startTime = actual.startTime ?? now;
  const rest: Record<string, unknown> = {
    phase: "Running",
    startTime,
    ...toAddresses(wish.facts),
    containerStatuses: [{
      name: HOST_CONTAINER,
      image: IMAGE,
      imageID: "",
      containerID: `aranya://${pod.metadata.uid}`,
      ready: wish.connected,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: startTime } },
    }],
  };
  for (const key of Object.keys(rest)) {
    if (covers(actual[key as keyof typeof actual], rest[key])) delete rest[key];
  }
  if (conditions.length === 0 && Object.keys(rest).length === 0) {
    return undefined;
  }
  // These lists would be merged by address, and a former one would stay.
  for (const key of ["hostIPs", "podIPs"]) {
    const list = rest[key];
    if (Array.isArray(list)) rest[key] = [...list, { "$patch": "replace" }];
  }
  return { status: { ...rest, ...(conditions.length ? { conditions } : {}) } };
}

/** The device's own addresses; none are shown before it has told them. Both lists hold at most one address of each family. */
function toAddresses(facts: ReportedFacts | undefined) {
  // One that the API server refuses would keep the whole status from being written.
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

function sameCondition(
  actual: PodCondition,
  wanted: { status: string; reason?: string; message?: string },
): boolean {
  return actual.status === wanted.status &&
    (actual.reason ?? "") === (wanted.reason ?? "") &&
    (actual.message ?? "") === (wanted.message ?? "");
}

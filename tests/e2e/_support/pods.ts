// SPDX-License-Identifier: Apache-2.0
/** Pods of end-to-end scenarios: their specs, and waiting for their status. */
import { until } from "../../../dev/base/wait.ts";
import {
  IMAGES,
  type KubeObject,
  NAMESPACE,
  type World,
} from "../../../dev/world/mod.ts";
import { DEVICE, kubectl } from "./scenario.ts";

/** The fields of a pod that scenarios use. */
export interface PodObject extends KubeObject {
  metadata: KubeObject["metadata"] & {
    uid: string;
    deletionTimestamp?: string;
  };
  spec: { nodeName?: string };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    podIP?: string;
    hostIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

/** Status of one container. */
export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  containerID?: string;
  state: {
    running?: { startedAt: string };
    waiting?: { reason: string; message?: string };
    terminated?: Terminated;
  };
  lastState?: { terminated?: Terminated };
}

/** How an instance of a container ended. */
export interface Terminated {
  exitCode: number;
  reason: string;
  message?: string;
}

/** Returns the pod of this name, or undefined. */
export function findPod(
  world: World,
  name: string,
): Promise<PodObject | undefined> {
  return world.kubectl.find<PodObject>(["-n", NAMESPACE, "pod", name]);
}

/** Waits until `is` returns true for a pod, and returns the pod. */
export async function untilPod(
  world: World,
  name: string,
  options: {
    /** The awaited state, for the error's text, e.g. "Ready". */
    what: string;
    timeoutMs?: number;
    is: (pod: PodObject) => boolean;
  },
): Promise<PodObject> {
  const { what, timeoutMs = 60_000, is } = options;
  return await until(async () => {
    const pod = await findPod(world, name);
    return pod && is(pod) ? pod : undefined;
  }, {
    what: `pod ${name} ${what}`,
    timeoutMs,
    intervalMs: 300,
    detail: async () =>
      `${(await kubectl(world, "describe", "pod", name)).stdout}\n${
        await world.devices.get(DEVICE)?.agent.logTail() ?? ""
      }`,
  });
}

/** Returns whether a pod's condition Ready is True. */
export function isReady(pod: PodObject): boolean {
  return pod.status?.conditions?.some((one) =>
    one.type === "Ready" && one.status === "True"
  ) ?? false;
}

/** Returns the status of a pod's first container. */
export function firstContainer(
  pod: PodObject | undefined,
): ContainerStatus | undefined {
  return pod?.status?.containerStatuses?.[0];
}

/** Returns the Docker id of a pod's first container, or "". */
export function containerId(pod: PodObject | undefined): string {
  return firstContainer(pod)?.containerID?.replace("docker://", "") ?? "";
}

/** Waits until no pod with this label is left. */
export async function untilNoPods(world: World, label: string): Promise<void> {
  await until(
    async () =>
      (await world.run("get", "pods", "-l", label, "-o", "name")).trim() === "",
    { what: `the deletion of all pods with ${label}`, timeoutMs: 60_000 },
  );
}

/** Returns a pod that is scheduled to a device. */
export function podOn(
  device: string,
  name: string,
  spec: Record<string, unknown>,
): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NAMESPACE, labels: { app: name } },
    spec: {
      ...placement(device),
      terminationGracePeriodSeconds: 2,
      ...spec,
    },
  };
}

/** Returns a container "main" that runs a shell script; `more` adds fields or replaces them. */
export function container(
  script: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    name: "main",
    image: IMAGES.busybox,
    command: ["sh", "-c", script],
    ...more,
  };
}

/** Returns node selector and tolerations that schedule a pod to a device and keep it there. */
export function placement(device: string): Record<string, unknown> {
  return {
    nodeSelector: { "arhat.dev/name": device },
    tolerations: [
      { key: "arhat.dev/namespace", operator: "Exists" },
      {
        key: "node.kubernetes.io/unreachable",
        operator: "Exists",
        effect: "NoExecute",
      },
      {
        key: "node.kubernetes.io/not-ready",
        operator: "Exists",
        effect: "NoExecute",
      },
    ],
  };
}

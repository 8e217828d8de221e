// SPDX-License-Identifier: Apache-2.0
/** Finds pods and containers of one device for calls of the kubelet API. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { PodTarget } from "../../shared/exec/mod.ts";
import type { PodStatus } from "../../shared/wire/mod.ts";
import { keyOf, type KubeContainerStatus, type Pod } from "../kube/mod.ts";
import { toStatus } from "../podspec/mod.ts";
import type { DevicePods } from "./device_pods.ts";
import type { PodNode } from "./device_state.ts";
import type { PodSources } from "./sources.ts";

/** A container that a kubelet API call was resolved to. */
export interface ContainerTarget {
  /** UID of the pod; empty for the virtual pod, whose container is the device's host. */
  podUid: string;
  /** Name of the container, never empty. */
  container: string;
  /** Whether the container runs now. */
  running: boolean;
  /** Set when the container is neither running nor terminated: why it waits, as in its status. */
  waiting?: { reason: string; message: string };
  /** Whether an earlier instance of the container has terminated, so that its log may be read. */
  hasPrevious: boolean;
}

/** A v1 PodList, as /pods and /runningpods of the kubelet API return it. */
export interface PodList {
  kind: "PodList";
  apiVersion: "v1";
  metadata: Record<string, never>;
  items: Pod[];
}

/**
 * Pods of one device by name and UID, as the operator's stores and the device's reports hold them.
 */
export interface PodDirectory {
  /**
   * Finds the container that a kubelet API call names. Never waits.
   * @throws {AranyaError} "not_found" when the device has no such pod or the pod no such container,
   * "unavailable" while the pods are not known yet
   */
  findContainer(target: PodTarget): ContainerTarget;
  /** Returns the pods that are bound to the device; with `running` only those in phase Running. */
  list(options: { running: boolean }): PodList;
  /** Returns the name of the pod with this UID; undefined when the device has no such pod. */
  nameOf(uid: string): { namespace: string; name: string } | undefined;
}

/** Returns a PodList of these pods. */
export function toPodList(pods: readonly Pod[]): PodList {
  return { kind: "PodList", apiVersion: "v1", metadata: {}, items: [...pods] };
}

/** The part of the sources that {@linkcode NodePods} reads. */
type NodePodSources = Pick<
  PodSources,
  "listPods" | "serves" | "hasListedPods"
>;

/**
 * The pods that one device should run: bound to its Node, in a served namespace, not its virtual
 * pod.
 */
export class NodePods implements PodDirectory {
  readonly #node: PodNode;
  readonly #sources: NodePodSources;
  readonly #devicePods: Pick<DevicePods, "find">;

  constructor(
    { node, sources, devicePods }: {
      node: PodNode;
      sources: NodePodSources;
      devicePods: Pick<DevicePods, "find">;
    },
  ) {
    this.#node = node;
    this.#sources = sources;
    this.#devicePods = devicePods;
  }

  /** Returns all of these pods, with the status that the API server has. */
  listAll(): Pod[] {
    return this.#sources.listPods(this.#node.name).filter(({ metadata }) =>
      !this.#node.isVirtualPod(metadata) &&
      this.#sources.serves(metadata.namespace ?? "")
    );
  }

  /** Returns the pod with this UID. */
  findByUid(uid: string): Pod | undefined {
    return this.listAll().find(({ metadata }) => metadata.uid === uid);
  }

  findContainer(target: PodTarget): ContainerTarget {
    const key = `${target.namespace}/${target.pod}`;
    const pod = this.listAll().find((one) => keyOf(one) === key);
    const uid = pod?.metadata.uid;
    if (!pod && !this.#sources.hasListedPods(target.namespace)) {
      throw new AranyaError(
        "unavailable",
        `Cannot find pod ${
          JSON.stringify(key)
        }: the pods of its namespace are not known yet`,
      );
    }
    if (!pod || (target.uid !== undefined && target.uid !== uid)) {
      throw new AranyaError(
        "not_found",
        `Cannot find pod ${
          JSON.stringify(key)
        }: no such pod on node "${this.#node.name}"`,
      );
    }
    return findContainer(target.container, {
      pod,
      report: this.#devicePods.find(uid ?? ""),
    });
  }

  list({ running }: { running: boolean }): PodList {
    const pods = this.listAll();
    return toPodList(
      running ? pods.filter(({ status }) => status?.phase === "Running") : pods,
    );
  }

  nameOf(uid: string): { namespace: string; name: string } | undefined {
    const pod = this.findByUid(uid);
    if (!pod) return undefined;
    const { namespace = "", name } = pod.metadata;
    return { namespace, name };
  }
}

/** The annotation that names the container which kubectl takes when the user names none. */
const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

/**
 * Finds a container of a pod by name; empty: the one that the pod's annotation names, else its
 * first. The device's report takes precedence over the pod's status, which may be a moment behind.
 * @throws {AranyaError} code "not_found" when the pod has no such container
 */
export function findContainer(
  name: string,
  { pod, report }: { pod: Pod; report: PodStatus | undefined },
): ContainerTarget {
  const { metadata, spec } = pod;
  const all = [...spec.containers, ...spec.initContainers ?? []];
  const wanted = name || metadata.annotations?.[DEFAULT_CONTAINER] ||
    spec.containers[0]?.name;
  const container = all.find((one) => one.name === wanted);
  if (!container) {
    throw new AranyaError(
      "not_found",
      `Cannot find container ${JSON.stringify(wanted ?? "")} of pod ${
        JSON.stringify(keyOf(pod))
      }: it has ${all.map((one) => JSON.stringify(one.name)).join(", ")}`,
    );
  }
  // The time goes into fields that are not read here.
  const status = report
    ? toStatus({ pod, report, nowMs: 0 })
    : pod.status ?? {};
  const statuses: KubeContainerStatus[] = [
    ...status.containerStatuses ?? [],
    ...status.initContainerStatuses ?? [],
  ];
  const found = statuses.find((one) => one.name === container.name);
  const { running, terminated, waiting } = found?.state ?? {};
  return {
    podUid: metadata.uid ?? "",
    container: container.name,
    running: running !== undefined,
    hasPrevious: found?.lastState?.terminated !== undefined,
    ...(running === undefined && terminated === undefined
      ? {
        waiting: {
          reason: waiting?.reason ?? "ContainerCreating",
          message: waiting?.message ?? "",
        },
      }
      : {}),
  };
}

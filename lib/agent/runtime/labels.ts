// SPDX-License-Identifier: Apache-2.0
/**
 * Names and labels of this project's containers on an engine. After a restart of the agent they are
 * all that is known of a pod's containers.
 */
import type { ContainerInspect } from "../docker/mod.ts";
import type { ContainerRequest, RuntimeContainer } from "./runtime.ts";

const PREFIX = "aranya.arhat.dev/";
/** Label with the name of the device whose agent created the container or network. */
export const DEVICE_LABEL = `${PREFIX}device`;
const UID_LABEL = `${PREFIX}pod-uid`;
const NAMESPACE_LABEL = `${PREFIX}pod-namespace`;
const POD_LABEL = `${PREFIX}pod-name`;
const CONTAINER_LABEL = `${PREFIX}container`;
const KIND_LABEL = `${PREFIX}kind`;
/** The image as the pod names it; the container is created from the image's id. */
const IMAGE_LABEL = `${PREFIX}image`;
const ATTEMPT_LABEL = `${PREFIX}attempt`;
/** Precedes the names of the labels of a request. */
const EXTRA_PREFIX = `${PREFIX}label.`;
/** Exit code that the kubelet reports for a container that could not be started. */
const START_ERROR_CODE = 128;

/** A pod of a device. */
export interface PodIdentity {
  device: string;
  podUid: string;
  namespace: string;
  name: string;
}

/** A container of a pod, as its labels have it. */
export interface ContainerIdentity extends PodIdentity {
  /** Name in the pod; empty for the infra container. */
  container: string;
  kind: "sandbox" | "init" | "app";
  attempt: number;
  /** As the pod names it; empty for the infra container. */
  image: string;
  /** Labels of the request. */
  extra: Record<string, string>;
}

/** Returns the labels of an infra container. */
export function toSandboxLabels(pod: PodIdentity): Record<string, string> {
  return { ...toPodLabels(pod), [KIND_LABEL]: "sandbox", [ATTEMPT_LABEL]: "0" };
}

/** Returns the labels of an init or app container. */
export function toContainerLabels(
  device: string,
  request: ContainerRequest,
): Record<string, string> {
  const labels: Record<string, string> = {
    ...toPodLabels({ ...request, device, name: request.podName }),
    [CONTAINER_LABEL]: request.container.name,
    [KIND_LABEL]: request.kind,
    [ATTEMPT_LABEL]: String(request.attempt),
    [IMAGE_LABEL]: request.container.image,
  };
  for (const [name, value] of Object.entries(request.labels)) {
    labels[EXTRA_PREFIX + name] = value;
  }
  return labels;
}

function toPodLabels(pod: PodIdentity): Record<string, string> {
  return {
    [DEVICE_LABEL]: pod.device,
    [UID_LABEL]: pod.podUid,
    [NAMESPACE_LABEL]: pod.namespace,
    [POD_LABEL]: pod.name,
  };
}

/** Returns the identity in a container's labels; undefined when it belongs to no pod of ours. */
export function fromLabels(
  labels: Record<string, string> | null | undefined,
): ContainerIdentity | undefined {
  const kind = labels?.[KIND_LABEL];
  const podUid = labels?.[UID_LABEL];
  if (!labels || !podUid) return undefined;
  if (kind !== "sandbox" && kind !== "init" && kind !== "app") return undefined;
  const extra: Record<string, string> = {};
  for (const [name, value] of Object.entries(labels)) {
    if (name.startsWith(EXTRA_PREFIX)) {
      extra[name.slice(EXTRA_PREFIX.length)] = value;
    }
  }
  return {
    device: labels[DEVICE_LABEL] ?? "",
    podUid,
    namespace: labels[NAMESPACE_LABEL] ?? "",
    name: labels[POD_LABEL] ?? "",
    container: labels[CONTAINER_LABEL] ?? "",
    kind,
    attempt: Number(labels[ATTEMPT_LABEL] ?? 0),
    image: labels[IMAGE_LABEL] ?? "",
    extra,
  };
}

/** Formats the label that all containers of a pod have, as a filter of the engine. */
export function formatPodFilter(podUid: string): string {
  return `${UID_LABEL}=${podUid}`;
}

/**
 * Returns the UID of the pod that an event is about, from its attributes; undefined when it has
 * none.
 */
export function findPodUid(
  attributes: Record<string, string>,
): string | undefined {
  return attributes[UID_LABEL];
}

/** Formats an infra container's name; unique per pod, so that no second one can be created. */
export function formatSandboxName(podUid: string): string {
  return `aranya_POD_${podUid}`;
}

/** Formats a container's name; unique per attempt, so that no attempt can be created twice. */
export function formatContainerName(request: ContainerRequest): string {
  const { container, podName, namespace, podUid, attempt } = request;
  return `aranya_${container.name}_${podName}_${namespace}_${podUid}_${attempt}`;
}

/**
 * Returns the state of one of our containers. One that could not be started has exited with 128.
 */
export function fromInspect(
  inspect: ContainerInspect,
  identity: ContainerIdentity,
): RuntimeContainer {
  const { State: state } = inspect;
  const failedToStart = state.Status === "created" && state.Error !== "";
  const finishedUnixMs = parseUnixMs(state.FinishedAt);
  return {
    id: inspect.Id,
    name: identity.container,
    kind: identity.kind === "init" ? "init" : "app",
    attempt: identity.attempt,
    image: identity.image || inspect.Config.Image,
    imageId: inspect.Image,
    state: failedToStart ? "exited" : toState(state.Status),
    startedUnixMs: parseUnixMs(state.StartedAt),
    finishedUnixMs: failedToStart && finishedUnixMs === 0
      ? parseUnixMs(inspect.Created)
      : finishedUnixMs,
    exitCode: failedToStart ? START_ERROR_CODE : state.ExitCode,
    oomKilled: state.OOMKilled,
    error: state.Error,
    labels: identity.extra,
  };
}

/** @param status created, running, paused, restarting, removing, exited or dead */
function toState(status: string): RuntimeContainer["state"] {
  if (status === "created") return "created";
  return status === "running" || status === "paused" ? "running" : "exited";
}

/** Returns 0 for Go's zero time, which is in year 1. */
function parseUnixMs(text: string): number {
  const timeMs = Date.parse(text);
  return Number.isFinite(timeMs) && timeMs > 0 ? timeMs : 0;
}

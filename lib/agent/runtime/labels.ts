// SPDX-License-Identifier: Apache-2.0
/** Names and labels of what we make on an engine; after a restart of the agent they are all that is known. */
import type { ContainerInspect } from "../docker/mod.ts";
import type { ContainerRequest, RuntimeContainer } from "./runtime.ts";

const PREFIX = "aranya.arhat.dev/";
/** The device whose agent made it. */
export const DEVICE_LABEL = `${PREFIX}device`;
const UID_LABEL = `${PREFIX}pod-uid`;
const NAMESPACE_LABEL = `${PREFIX}pod-namespace`;
const POD_LABEL = `${PREFIX}pod-name`;
const CONTAINER_LABEL = `${PREFIX}container`;
const KIND_LABEL = `${PREFIX}kind`;
/** The image as the pod names it; it is made from the image's id. */
const IMAGE_LABEL = `${PREFIX}image`;
const ATTEMPT_LABEL = `${PREFIX}attempt`;
/** Before the labels that the caller gave. */
const EXTRA_PREFIX = `${PREFIX}label.`;
/** Exit code that the kubelet shows for a container that could not be started. */
const START_ERROR_CODE = 128;

/** Who a pod is. */
export interface PodIdentity {
  device: string;
  podUid: string;
  namespace: string;
  name: string;
}

/** What the labels of one container say; undefined when it is none of ours. */
export interface ContainerIdentity extends PodIdentity {
  /** Empty for the infra container. */
  container: string;
  kind: "sandbox" | "init" | "app";
  attempt: number;
  /** As the pod names it; empty for the infra container. */
  image: string;
  extra: Record<string, string>;
}

/** Labels of an infra container. */
export function sandboxLabels(pod: PodIdentity): Record<string, string> {
  return { ...podLabels(pod), [KIND_LABEL]: "sandbox", [ATTEMPT_LABEL]: "0" };
}

/** Labels of a pod's container. */
export function containerLabels(
  device: string,
  request: ContainerRequest,
): Record<string, string> {
  const labels: Record<string, string> = {
    ...podLabels({ ...request, device, name: request.podName }),
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

function podLabels(pod: PodIdentity): Record<string, string> {
  return {
    [DEVICE_LABEL]: pod.device,
    [UID_LABEL]: pod.podUid,
    [NAMESPACE_LABEL]: pod.namespace,
    [POD_LABEL]: pod.name,
  };
}

/** Reads the labels back. */
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

/** Label filter that finds a pod's containers. */
export function podFilter(podUid: string): string {
  return `${UID_LABEL}=${podUid}`;
}

/** UID of the pod that an event's attributes speak of; undefined when it is none of ours. */
export function podUidOf(
  attributes: Record<string, string>,
): string | undefined {
  return attributes[UID_LABEL];
}

/** The infra container's name; unique, so that two can't be made. */
export function sandboxName(podUid: string): string {
  return `aranya_POD_${podUid}`;
}

/** A container's name; unique per attempt, so that one attempt can't be made twice. */
export function containerName(request: ContainerRequest): string {
  const { container, podName, namespace, podUid, attempt } = request;
  return `aranya_${container.name}_${podName}_${namespace}_${podUid}_${attempt}`;
}

/** What the engine says of one of our containers. */
export function fromInspect(
  inspect: ContainerInspect,
  identity: ContainerIdentity,
): RuntimeContainer {
  const { State: state } = inspect;
  const failedToStart = state.Status === "created" && state.Error !== "";
  const finishedUnixMs = unixMs(state.FinishedAt);
  return {
    id: inspect.Id,
    name: identity.container,
    kind: identity.kind === "init" ? "init" : "app",
    attempt: identity.attempt,
    image: identity.image || inspect.Config.Image,
    imageId: inspect.Image,
    state: failedToStart ? "exited" : stateOf(state.Status),
    startedUnixMs: unixMs(state.StartedAt),
    finishedUnixMs: failedToStart && finishedUnixMs === 0
      ? unixMs(inspect.Created)
      : finishedUnixMs,
    exitCode: failedToStart ? START_ERROR_CODE : state.ExitCode,
    oomKilled: state.OOMKilled,
    error: state.Error,
    labels: identity.extra,
  };
}

/** Docker's states: created, running, paused, restarting, removing, exited, dead. */
function stateOf(status: string): RuntimeContainer["state"] {
  if (status === "created") return "created";
  return status === "running" || status === "paused" ? "running" : "exited";
}

/** Go's zero time is year 1. */
function unixMs(text: string): number {
  const time = Date.parse(text);
  return Number.isFinite(time) && time > 0 ? time : 0;
}

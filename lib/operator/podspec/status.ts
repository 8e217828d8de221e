// SPDX-License-Identifier: Apache-2.0
/** What a device says about a pod as a patch of the pod's status: only our own fields and conditions, and only what differs. */
import { isDeepStrictEqual } from "node:util";
import type {
  KubeContainer,
  KubeContainerState,
  KubeContainerStatus,
  KubePodStatus,
  Pod,
  PodCondition,
} from "../kube/mod.ts";
import type {
  ContainerState,
  ContainerStatus,
  PodStatus,
  Terminated,
} from "../../shared/wire/mod.ts";
import { conditionsOf, isTerminal, phaseOf, type PodView } from "./phase.ts";

/** Options of {@linkcode toStatusPatch}. */
export interface StatusPatchOptions {
  /** The pod as the API server has it. */
  pod: Pod;
  /** The device's last word; undefined: it has said nothing yet. */
  remote?: PodStatus | undefined;
  /** Set: nothing of the pod lives, and nothing will: the status before the object is deleted. */
  gone?: boolean;
  /** Set: the pod is not run, and this is why; its containers wait with it. */
  refusal?: { reason: string; message: string } | undefined;
  /** Whether the pod has been, or is about to be, sent to the device: gives it its startTime. @default true */
  accepted?: boolean;
  /** Wall-clock time, for transitions. */
  nowMs: number;
}

/** A strategic merge patch for the status subresource; it fails on another pod of the same name. */
export interface StatusPatch {
  /** The pod that is meant. */
  metadata: { uid: string };
  /** Fields and conditions that differ. */
  status: Record<string, unknown>;
}

/** Exit code of a container whose end nobody saw: the kubelet's. */
const UNKNOWN_EXIT_CODE = 137;
const MAX_ADDRESSES = 2;

/** The patch, or undefined when nothing differs. A pod that is over is not touched any more. */
export function toStatusPatch(
  options: StatusPatchOptions,
): StatusPatch | undefined {
  const { pod } = options;
  const actual = pod.status ?? {};
  if (isTerminal(actual.phase)) return undefined;
  const wanted = toStatus(options);
  const status: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(wanted)) {
    if (field === "conditions") continue;
    const present = actual[field as keyof KubePodStatus];
    if (!isDeepStrictEqual(plain(present), plain(value))) status[field] = value;
  }
  // Merged by address, so that one that is no longer there would stay.
  for (const field of ["hostIPs", "podIPs"]) {
    const list = status[field];
    if (Array.isArray(list)) {
      status[field] = [{ $patch: "replace" }, ...list];
    }
  }
  const conditions = toConditions(wanted.conditions ?? [], options);
  if (conditions.length > 0) status.conditions = conditions;
  if (Object.keys(status).length === 0) return undefined;
  return { metadata: { uid: pod.metadata.uid ?? "" }, status };
}

/** All of our fields as they should be. */
export function toStatus(options: StatusPatchOptions): KubePodStatus {
  const { pod, remote, accepted = true, gone = false } = options;
  const ending = pod.metadata.deletionTimestamp !== undefined ||
    remote?.removing === true;
  const view: PodView = {
    pod,
    init: [],
    containers: [],
    sandboxReady: remote?.sandboxReady === true && !gone,
    gone,
    failed: (remote?.failureReason ?? "") !== "",
  };
  const init = toContainerStatuses(pod.spec.initContainers ?? [], {
    ...options,
    known: remote?.initContainers ?? [],
    waiting: "PodInitializing",
    ending,
  });
  const initialising = init.some(({ state }) =>
    state?.terminated === undefined
  );
  const containers = toContainerStatuses(pod.spec.containers, {
    ...options,
    known: remote?.containers ?? [],
    waiting: initialising ? "PodInitializing" : "ContainerCreating",
    ending,
  });
  const full = { ...view, init, containers };
  const phase = phaseOf(full);
  const startTime = pod.status?.startTime ??
    (accepted ? toTime(options.nowMs) : undefined);
  return {
    phase,
    conditions: conditionsOf(full),
    ...(remote?.failureReason && isTerminal(phase)
      ? { reason: remote.failureReason, message: remote.failureMessage }
      : {}),
    ...(startTime === undefined ? {} : { startTime }),
    ...toAddresses("host", remote?.hostIps ?? []),
    ...toAddresses("pod", remote?.podIps ?? []),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: containers,
    ...(pod.metadata.generation === undefined
      ? {}
      : { observedGeneration: pod.metadata.generation }),
  };
}

interface ContainerOptions extends StatusPatchOptions {
  known: readonly ContainerStatus[];
  /** Reason of a container that nothing is known of. */
  waiting: string;
  /** The pod is being removed: nothing of it is ready any more. */
  ending: boolean;
}

function toContainerStatuses(
  containers: readonly KubeContainer[],
  options: ContainerOptions,
): KubeContainerStatus[] {
  return containers.map((container) => {
    const known = options.known.find(({ name }) => name === container.name);
    const state = toState(known?.state, options);
    const last = toKubeState(known?.lastTerminated);
    return {
      name: container.name,
      state,
      lastState: last?.terminated ? last : {},
      ready: known?.ready === true && !options.ending && !options.gone,
      restartCount: known?.restartCount ?? 0,
      image: known?.image || (container.image ?? ""),
      imageID: known?.imageId ?? "",
      ...(known?.containerId ? { containerID: known.containerId } : {}),
      started: known?.started === true && state.running !== undefined,
    };
  });
}

function toState(
  known: ContainerState | undefined,
  { gone, refusal, waiting }: ContainerOptions,
): KubeContainerState {
  const state = toKubeState(known);
  if (gone && !state?.terminated) {
    return {
      terminated: {
        exitCode: UNKNOWN_EXIT_CODE,
        reason: "ContainerStatusUnknown",
        message:
          "The container could not be located when the pod was terminated",
      },
    };
  }
  return state ?? { waiting: refusal ?? { reason: waiting } };
}

function toKubeState(
  from: ContainerState | undefined,
): KubeContainerState | undefined {
  switch (from?.state.case) {
    case "waiting": {
      const { reason, message } = from.state.value;
      return { waiting: { reason, ...(message ? { message } : {}) } };
    }
    case "running":
      return { running: { startedAt: toTime(from.state.value.startedUnixMs) } };
    case "terminated":
      return { terminated: toTerminated(from.state.value) };
    default:
      return undefined;
  }
}

function toTerminated(
  from: Terminated,
): NonNullable<KubeContainerState["terminated"]> {
  return {
    exitCode: from.exitCode,
    ...(from.signal ? { signal: from.signal } : {}),
    reason: from.reason || (from.exitCode === 0 ? "Completed" : "Error"),
    ...(from.message ? { message: from.message } : {}),
    ...(from.startedUnixMs > 0n
      ? { startedAt: toTime(from.startedUnixMs) }
      : {}),
    ...(from.finishedUnixMs > 0n
      ? { finishedAt: toTime(from.finishedUnixMs) }
      : {}),
    ...(from.containerId ? { containerID: from.containerId } : {}),
  };
}

/** At most one address of each family, as the API demands; nothing when none is known: what is there stays. */
function toAddresses(
  kind: "host" | "pod",
  addresses: readonly string[],
): Partial<KubePodStatus> {
  const [first] = addresses;
  if (first === undefined) return {};
  const other = addresses.find((ip) =>
    ip.includes(":") !== first.includes(":")
  );
  const list = (other === undefined ? [first] : [first, other])
    .slice(0, MAX_ADDRESSES).map((ip) => ({ ip }));
  return kind === "host"
    ? { hostIP: first, hostIPs: list }
    : { podIP: first, podIPs: list };
}

/** Those that differ; the time changes with the status only. */
function toConditions(
  wanted: readonly PodCondition[],
  { pod, nowMs }: StatusPatchOptions,
): Record<string, unknown>[] {
  return wanted.flatMap((condition) => {
    const before = pod.status?.conditions?.find(({ type }) =>
      type === condition.type
    );
    const same = before?.status === condition.status &&
      (before.reason ?? "") === (condition.reason ?? "") &&
      (before.message ?? "") === (condition.message ?? "");
    if (same) return [];
    const kept = before?.status === condition.status
      ? before.lastTransitionTime
      : undefined;
    return [{
      reason: null,
      message: null,
      ...condition,
      lastTransitionTime: kept ?? toTime(nowMs),
    }];
  });
}

/** RFC 3339 without fractions, as the API keeps pods' times. */
function toTime(unixMs: number | bigint): string {
  return new Date(Number(unixMs)).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Without what JSON leaves out and without nulls, which the API server shows for missing times. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(
    JSON.stringify(value, (_key, inner) => inner === null ? undefined : inner),
  );
}

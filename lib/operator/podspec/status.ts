// SPDX-License-Identifier: Apache-2.0
/** Derives a Pod's status from its device's report, and patches what differs. */
import { isDeepStrictEqual } from "node:util";
import { defined, toRfc3339 } from "../../shared/base/mod.ts";
import {
  type KubeContainer,
  type KubeContainerState,
  type KubeContainerStatus,
  type KubePodStatus,
  type Pod,
  type PodCondition,
  toConditionsPatch,
} from "../kube/mod.ts";
import type {
  ContainerState,
  ContainerStatus,
  PodRejection,
  PodStatus,
  Terminated,
} from "../../shared/wire/mod.ts";
import {
  isTerminal,
  OWN_CONDITIONS,
  type PodPhaseInput,
  toPhase,
  toPodConditions,
} from "./phase.ts";

/** What a Pod's status is derived from. */
export interface PodStatusInput {
  /** The pod as the API server has it. */
  pod: Pod;
  /** The device's latest report; undefined: it has not reported the pod. */
  report?: PodStatus | undefined;
  /**
   * Whether no container runs and none will be started again, as for the last status before the
   * object is deleted. @default false
   */
  terminated?: boolean;
  /** Why the device doesn't take the pod, of which it has nothing: the pod is Failed. */
  rejection?: PodRejection | undefined;
  /** Why the pod is not run; its containers wait with this reason. */
  refusal?: { reason: string; message: string } | undefined;
  /**
   * Whether the pod has been sent to the device, or is about to be; gives it its `startTime`.
   * @default true
   */
  accepted?: boolean;
  /** Wall-clock time in milliseconds since 1970, for `startTime` and transition times. */
  nowMs: number;
}

/** A strategic merge patch of the status subresource; it fails on another pod of the same name. */
export interface PodStatusPatch {
  /** Pins the pod, and its version where that matters. */
  metadata: { uid: string; resourceVersion?: string };
  /** Fields and conditions that differ. */
  status: Record<string, unknown>;
}

/** The kubelet's exit code for a container whose end was not observed. */
const UNKNOWN_EXIT_CODE = 137;
/** State of a container whose end is not known, as a kubelet shows it. */
const UNKNOWN_STATE: KubeContainerState = {
  terminated: {
    exitCode: UNKNOWN_EXIT_CODE,
    reason: "ContainerStatusUnknown",
    message: "The container could not be located when the pod was terminated",
  },
};
const MAX_ADDRESSES = 2;

/**
 * Returns the patch that brings the pod's status up to date; undefined when nothing differs or the
 * pod is in a terminal phase. Fields and conditions of others are left alone. The patch of a
 * rejection fails if the pod has changed: another operator may have sent it.
 */
export function toStatusPatch(
  input: PodStatusInput,
): PodStatusPatch | undefined {
  const { pod, nowMs } = input;
  const actual = pod.status ?? {};
  if (isTerminal(actual.phase)) return undefined;
  const { conditions: desiredConditions = [], ...desired } = toStatus(input);
  const status: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(desired)) {
    const present = actual[field as keyof KubePodStatus];
    if (!isDeepStrictEqual(toPlainJson(present), toPlainJson(value))) {
      status[field] = value;
    }
  }
  // A strategic merge would keep an address that is no longer in the list.
  for (const field of ["hostIPs", "podIPs"]) {
    const list = status[field];
    if (Array.isArray(list)) {
      status[field] = [{ $patch: "replace" }, ...list];
    }
  }
  const conditions = input.rejection
    ? toRemovedConditions(actual.conditions)
    : toConditionsPatch(desiredConditions, {
      former: actual.conditions,
      nowMs,
    });
  if (conditions.length > 0) status.conditions = conditions;
  if (Object.keys(status).length === 0) return undefined;
  const { uid = "", resourceVersion } = pod.metadata;
  return {
    metadata: {
      uid,
      ...input.rejection ? defined({ resourceVersion }) : {},
    },
    status,
  };
}

/** Returns the elements of a strategic merge patch that remove the operator's own conditions. */
function toRemovedConditions(
  conditions: readonly PodCondition[] = [],
): { $patch: "delete"; type: string }[] {
  return conditions.filter(({ type }) => OWN_CONDITIONS.includes(type))
    .map(({ type }) => ({ $patch: "delete", type }));
}

/**
 * Returns the desired values of all status fields that the operator owns; conditions have no times.
 */
export function toStatus(input: PodStatusInput): KubePodStatus {
  const { pod, report, accepted = true, terminated = false, nowMs } = input;
  if (input.rejection) return toRejectedStatus(input, input.rejection);
  const { init, containers } = toStatuses(input);
  const phaseInput: PodPhaseInput = {
    pod,
    init,
    containers,
    sandboxReady: report?.sandboxReady === true && !terminated,
    terminated,
    failed: (report?.failureReason ?? "") !== "",
  };
  const phase = toPhase(phaseInput);
  return {
    phase,
    conditions: [
      ...toPodConditions(phaseInput),
      ...report?.disruptionTarget ? [toDisruption(report)] : [],
    ],
    // A pod that had succeeded before its deadline shows no reason for a failure.
    ...(report?.failureReason && phase === "Failed"
      ? { reason: report.failureReason, message: report.failureMessage }
      : {}),
    ...defined({
      startTime: pod.status?.startTime ??
        (accepted ? toRfc3339(nowMs) : undefined),
    }),
    ...toAddresses("host", report?.hostIps ?? []),
    ...toAddresses("pod", report?.podIps ?? []),
    ...defined({
      initContainerStatuses:
        init.length > 0 || pod.status?.initContainerStatuses?.length
          ? init
          : undefined,
    }),
    containerStatuses: containers,
    ...defined({ observedGeneration: pod.metadata.generation }),
  };
}

/**
 * Returns the status of a pod that its device doesn't take: as with a kubelet, without containers
 * and conditions.
 */
function toRejectedStatus(
  { pod, nowMs }: PodStatusInput,
  { reason, message }: PodRejection,
): KubePodStatus {
  const { startTime, initContainerStatuses, containerStatuses } = pod.status ??
    {};
  return {
    phase: "Failed",
    reason,
    message: `Pod was rejected: ${message}`,
    startTime: startTime ?? toRfc3339(nowMs),
    ...defined({
      initContainerStatuses: initContainerStatuses?.length ? [] : undefined,
      containerStatuses: containerStatuses?.length ? [] : undefined,
      observedGeneration: pod.metadata.generation,
    }),
  };
}

/**
 * Returns the condition of a pod that was evicted for the sake of the device. A Job's
 * podFailurePolicy may match it, so as not to count the failure.
 */
function toDisruption({ failureMessage }: PodStatus): PodCondition {
  return {
    type: "DisruptionTarget",
    status: "True",
    reason: "TerminationByKubelet",
    message: failureMessage,
  };
}

/** Returns the statuses of init containers and containers, each in the order of the spec. */
function toStatuses(
  input: PodStatusInput,
): ContainerStatuses {
  const { pod, report } = input;
  const removing = pod.metadata.deletionTimestamp !== undefined ||
    report?.removing === true;
  const init = toContainerStatuses(pod.spec.initContainers ?? [], {
    ...input,
    reported: report?.initContainers ?? [],
    waitingReason: "PodInitializing",
    removing,
  });
  const isInitializing = init.some(({ state }) =>
    state?.terminated === undefined
  );
  const containers = toContainerStatuses(pod.spec.containers, {
    ...input,
    reported: report?.containers ?? [],
    waitingReason: isInitializing ? "PodInitializing" : "ContainerCreating",
    removing,
  });
  return report?.failureReason
    ? terminateUnstarted({ init, containers })
    : { init, containers };
}

/**
 * Shows what never ran of a failed pod as terminated, by the rules of the kubelet's `TerminatePod`:
 * all containers once the pod was initialized, and the init containers up to the last that ran, or
 * the first one.
 */
function terminateUnstarted(
  { init, containers }: ContainerStatuses,
): ContainerStatuses {
  const isInitialized = init.every(({ state, started }) =>
    state?.terminated?.exitCode === 0 || started === true
  );
  const lastIndex = init.findLastIndex(({ state, lastState }) =>
    !state?.waiting || lastState?.terminated
  );
  const terminate = (status: KubeContainerStatus): KubeContainerStatus =>
    status.state?.waiting ? { ...status, state: UNKNOWN_STATE } : status;
  return {
    init: init.map((status, index) =>
      index <= Math.max(0, lastIndex) ? terminate(status) : status
    ),
    containers: isInitialized ? containers.map(terminate) : containers,
  };
}

interface ContainerStatuses {
  init: KubeContainerStatus[];
  containers: KubeContainerStatus[];
}

interface ContainerStatusContext extends PodStatusInput {
  reported: readonly ContainerStatus[];
  /** Reason of a container that the device has not reported. */
  waitingReason: string;
  /** Whether the pod is being removed: its containers are no longer ready. */
  removing: boolean;
}

function toContainerStatuses(
  containers: readonly KubeContainer[],
  context: ContainerStatusContext,
): KubeContainerStatus[] {
  const { reported, removing, terminated } = context;
  return containers.map((container) => {
    const known = reported.find(({ name }) => name === container.name);
    const state = toState(known?.state, context);
    const last = toKubeState(known?.lastTerminated);
    return {
      name: container.name,
      state,
      lastState: last?.terminated ? last : {},
      ready: known?.ready === true && !removing && !terminated,
      restartCount: known?.restartCount ?? 0,
      image: known?.image || (container.image ?? ""),
      imageID: known?.imageId ?? "",
      ...defined({ containerID: known?.containerId || undefined }),
      started: known?.started === true && state.running !== undefined,
    };
  });
}

/** Returns a container's state; for one that was not reported, why it waits or how it ended. */
function toState(
  reported: ContainerState | undefined,
  { terminated, refusal, waitingReason }: ContainerStatusContext,
): KubeContainerState {
  const state = toKubeState(reported);
  if (terminated && !state?.terminated) return UNKNOWN_STATE;
  return state ?? { waiting: refusal ?? { reason: waitingReason } };
}

/** Translates a reported state; undefined when none was reported. */
function toKubeState(
  reported: ContainerState | undefined,
): KubeContainerState | undefined {
  switch (reported?.state.case) {
    case "waiting": {
      const { reason, message } = reported.state.value;
      return {
        waiting: { reason, ...defined({ message: message || undefined }) },
      };
    }
    case "running": {
      const { startedUnixMs } = reported.state.value;
      return { running: { startedAt: toRfc3339(startedUnixMs) } };
    }
    case "terminated":
      return { terminated: toTerminated(reported.state.value) };
    default:
      return undefined;
  }
}

/** Translates how a container ended; unset fields are left out, as the API server does. */
function toTerminated(
  reported: Terminated,
): NonNullable<KubeContainerState["terminated"]> {
  const { exitCode, signal, reason, message, containerId } = reported;
  return {
    exitCode,
    reason: reason || (exitCode === 0 ? "Completed" : "Error"),
    ...defined({
      signal: signal || undefined,
      message: message || undefined,
      startedAt: toTimeIfSet(reported.startedUnixMs),
      finishedAt: toTimeIfSet(reported.finishedUnixMs),
      containerID: containerId || undefined,
    }),
  };
}

function toTimeIfSet(unixMs: bigint): string | undefined {
  return unixMs > 0n ? toRfc3339(unixMs) : undefined;
}

/**
 * Returns the address fields: at most one address of each family, as the API demands. Empty when
 * no address is reported, so that known addresses stay.
 */
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

/** Returns a value without nulls and undefined; the API server shows null for a missing time. */
function toPlainJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(
    JSON.stringify(value, (_key, inner) => inner === null ? undefined : inner),
  );
}

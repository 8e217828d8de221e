// SPDX-License-Identifier: Apache-2.0
/** Derives a pod's phase and conditions from its containers, by the kubelet's rules. */
import { defined } from "../../shared/base/mod.ts";
import type {
  KubeContainerStatus,
  KubePodStatus,
  Pod,
  PodCondition,
} from "../kube/mod.ts";

/** What a pod's phase and conditions are derived from. */
export interface PodPhaseInput {
  /** The pod as the API server has it; a terminal phase and readiness gates are read from it. */
  pod: Pod;
  /** Statuses of the init containers, one for each in the order of the spec. */
  init: readonly KubeContainerStatus[];
  /** Statuses of the containers, one for each in the order of the spec. */
  containers: readonly KubeContainerStatus[];
  /** Whether the pod's network namespace and addresses exist. */
  sandboxReady: boolean;
  /** Whether no container runs and none will be started again. */
  terminated: boolean;
  /** Whether the device reports that the pod as a whole has failed, e.g. by its deadline. */
  failed: boolean;
}

/** Phase of a pod. */
type PodPhase = NonNullable<KubePodStatus["phase"]>;

/** Returns whether a pod in this phase has terminated for good. */
export function isTerminal(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/**
 * Returns the phase of a pod, following the kubelet's `getPhase`. A terminal phase never changes,
 * and a pod does not become terminal while a container may run.
 */
export function toPhase(input: PodPhaseInput): PodPhase {
  const { pod, containers } = input;
  const current = pod.status?.phase;
  if (current !== undefined && isTerminal(current)) return current;
  const anyRunning = [...input.init, ...containers].some(isRunning);
  if (input.terminated) {
    return !input.failed && containers.every(hasSucceeded)
      ? "Succeeded"
      : "Failed";
  }
  // The device starts nothing of a pod that has failed as a whole, whatever its restart policy.
  if (input.failed && !anyRunning) return "Failed";
  const { restartPolicy = "Always" } = pod.spec;
  const initState = toInitState(input);
  if (initState === "failed" && restartPolicy === "Never") {
    return anyRunning ? "Pending" : "Failed";
  }
  if (initState !== "done") return "Pending";
  // A container that waits for its restart has terminated before; one that has not is still new.
  if (containers.some((status) => !hasStarted(status))) return "Pending";
  const allTerminated = containers.every(({ state }) => state?.terminated);
  if (restartPolicy === "Always" || anyRunning || !allTerminated) {
    return "Running";
  }
  if (containers.every(hasSucceeded)) return "Succeeded";
  return restartPolicy === "Never" ? "Failed" : "Running";
}

/** Types of the conditions that the operator sets on every pod that its device takes. */
export const OWN_CONDITIONS: readonly string[] = [
  "PodReadyToStartContainers",
  "Initialized",
  "ContainersReady",
  "Ready",
];

/**
 * Returns the conditions that the kubelet sets, without times: PodReadyToStartContainers,
 * Initialized, ContainersReady and Ready.
 */
export function toPodConditions(input: PodPhaseInput): PodCondition[] {
  const phase = toPhase(input);
  const containersReady = toContainersReady(input, phase);
  return [
    {
      type: "PodReadyToStartContainers",
      status: input.sandboxReady && !isTerminal(phase) ? "True" : "False",
    },
    toInitialized(input, phase),
    { ...containersReady, type: "ContainersReady" },
    { ...applyReadinessGates(input.pod, containersReady), type: "Ready" },
  ];
}

/** A condition without its type. */
type ConditionState = Omit<PodCondition, "type">;

function toInitialized(input: PodPhaseInput, phase: PodPhase): PodCondition {
  const incomplete = input.init.filter((status, index) =>
    !isInitComplete(input, { status, index })
  ).map(({ name }) => name);
  if (incomplete.length === 0) {
    return {
      type: "Initialized",
      status: "True",
      ...defined({
        reason: phase === "Succeeded" ? "PodCompleted" : undefined,
      }),
    };
  }
  // Containers once started, so initialization was complete; a lost report must not revoke that.
  if (input.containers.some(hasStarted)) {
    return { type: "Initialized", status: "True" };
  }
  return {
    type: "Initialized",
    status: "False",
    reason: "ContainersNotInitialized",
    message: `containers with incomplete status: [${incomplete.join(" ")}]`,
  };
}

function toContainersReady(
  input: PodPhaseInput,
  phase: PodPhase,
): ConditionState {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const sidecars = input.init.filter((_status, index) =>
    isSidecar(input.pod, index)
  );
  const unready = [...sidecars, ...input.containers]
    .filter(({ ready }) => !ready).map(({ name }) => name);
  if (unready.length === 0) return { status: "True" };
  return {
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: [${unready.join(" ")}]`,
  };
}

/** Returns whether a pod with ready containers is Ready: its readiness gates must be True too. */
function applyReadinessGates(
  { spec, status }: Pod,
  containersReady: ConditionState,
): ConditionState {
  if (containersReady.status !== "True") return containersReady;
  const messages = (spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = status?.conditions?.find(({ type }) => type === conditionType);
    if (gate?.status === "True") return [];
    return [
      gate
        ? `the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`
        : `corresponding condition of pod readiness gate "${conditionType}" does not exist.`,
    ];
  });
  if (messages.length === 0) return containersReady;
  return {
    status: "False",
    reason: "ReadinessGatesNotReady",
    message: messages.join(", "),
  };
}

/**
 * Returns the state of initialization, decided by the first init container that is not complete.
 */
function toInitState(input: PodPhaseInput): "done" | "pending" | "failed" {
  for (const [index, status] of input.init.entries()) {
    if (isInitComplete(input, { status, index })) continue;
    const { exitCode = 0 } = status.state?.terminated ?? {};
    return exitCode !== 0 && !isSidecar(input.pod, index)
      ? "failed"
      : "pending";
  }
  return "done";
}

/** A sidecar is complete once it has started; later restarts of it don't revoke initialization. */
function isInitComplete(
  { pod, containers }: PodPhaseInput,
  { status, index }: { status: KubeContainerStatus; index: number },
): boolean {
  if (!isSidecar(pod, index)) return hasSucceeded(status);
  return status.started === true || status.restartCount > 0 ||
    status.state?.terminated !== undefined || containers.some(hasStarted);
}

/** Returns whether this init container is a sidecar: it runs beside the containers. */
function isSidecar({ spec }: Pod, index: number): boolean {
  return spec.initContainers?.[index]?.restartPolicy === "Always";
}

function isRunning({ state }: KubeContainerStatus): boolean {
  return state?.running !== undefined;
}

/** Returns whether the container runs or has terminated at least once. */
function hasStarted({ state, lastState }: KubeContainerStatus): boolean {
  return state?.running !== undefined || state?.terminated !== undefined ||
    lastState?.terminated !== undefined;
}

function hasSucceeded({ state }: KubeContainerStatus): boolean {
  return state?.terminated?.exitCode === 0;
}

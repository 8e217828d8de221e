// SPDX-License-Identifier: Apache-2.0
/** A pod's phase and conditions, from its containers in the order of its spec; the kubelet's rules. */
import type {
  KubeContainerStatus,
  KubePodStatus,
  Pod,
  PodCondition,
} from "../kube/mod.ts";

/** What phase and conditions are derived from. */
export interface PodView {
  pod: Pod;
  /** In spec order, one for each container. */
  init: readonly KubeContainerStatus[];
  containers: readonly KubeContainerStatus[];
  /** Network namespace and addresses exist. */
  sandboxReady: boolean;
  /** No container lives and none will be started again. */
  gone: boolean;
  /** The device says that the pod as a whole can't go on. */
  failed: boolean;
}

/** A pod's phase. */
export type PodPhase = NonNullable<KubePodStatus["phase"]>;

/** Whether a pod in this phase is over for good. */
export function isTerminal(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/** The phase. A terminal one never changes, and none becomes terminal while a container may live. */
export function phaseOf(view: PodView): PodPhase {
  const { pod, containers } = view;
  const former = pod.status?.phase;
  if (former !== undefined && isTerminal(former)) return former;
  const lives = [...view.init, ...containers].some(isRunning);
  if (view.gone) {
    return !view.failed && containers.every(hasSucceeded)
      ? "Succeeded"
      : "Failed";
  }
  const { restartPolicy = "Always" } = pod.spec;
  const initState = initStateOf(view);
  if (initState === "failed" && restartPolicy === "Never") {
    return lives ? "Pending" : "Failed";
  }
  if (initState !== "done") return "Pending";
  // Never started, and not because it waits for its next start.
  if (containers.some((status) => !isRunning(status) && !hasEnded(status))) {
    return "Pending";
  }
  const ended = containers.every(({ state }) => state?.terminated);
  if (restartPolicy === "Always" || lives || !ended) return "Running";
  if (containers.every(hasSucceeded)) return "Succeeded";
  return restartPolicy === "Never" ? "Failed" : "Running";
}

/** Our four conditions, without times. */
export function conditionsOf(view: PodView): PodCondition[] {
  const phase = phaseOf(view);
  const { pod, containers } = view;
  const ready = containersReady(view, phase);
  const undone = unfinishedInits(view);
  const initialized: PodCondition = undone.length === 0
    ? {
      type: "Initialized",
      status: "True",
      ...(phase === "Succeeded" ? { reason: "PodCompleted" } : {}),
    }
    : {
      type: "Initialized",
      status: "False",
      reason: "ContainersNotInitialized",
      message: `containers with incomplete status: [${undone.join(" ")}]`,
    };
  const started = containers.some((status) =>
    isRunning(status) || hasEnded(status)
  );
  return [
    {
      type: "PodReadyToStartContainers",
      status: view.sandboxReady && !isTerminal(phase) ? "True" : "False",
    },
    started && undone.length > 0
      // Main containers once ran, so initialisation was over: a lost report must not take it back.
      ? { type: "Initialized", status: "True" }
      : initialized,
    { ...ready, type: "ContainersReady" },
    { ...withGates(pod, ready), type: "Ready" },
  ];
}

type Verdict = Omit<PodCondition, "type">;

function containersReady(view: PodView, phase: PodPhase): Verdict {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const sidecars = view.init.filter((_status, index) =>
    isSidecar(view.pod, index)
  );
  const unready = [...sidecars, ...view.containers]
    .filter(({ ready }) => !ready).map(({ name }) => name);
  if (unready.length === 0) return { status: "True" };
  return {
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: [${unready.join(" ")}]`,
  };
}

/** Conditions that others set may hold a pod back from being ready. */
function withGates({ spec, status }: Pod, ready: Verdict): Verdict {
  if (ready.status !== "True") return ready;
  const messages = (spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = status?.conditions?.find(({ type }) => type === conditionType);
    if (gate?.status === "True") return [];
    return [
      gate
        ? `the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`
        : `corresponding condition of pod readiness gate "${conditionType}" does not exist.`,
    ];
  });
  if (messages.length === 0) return ready;
  return {
    status: "False",
    reason: "ReadinessGatesNotReady",
    message: messages.join(", "),
  };
}

function initStateOf(view: PodView): "done" | "pending" | "failed" {
  for (const [index, status] of view.init.entries()) {
    if (isInitDone(view, { status, index })) continue;
    const { exitCode = 0 } = status.state?.terminated ?? {};
    return exitCode !== 0 && !isSidecar(view.pod, index) ? "failed" : "pending";
  }
  return "done";
}

function unfinishedInits(view: PodView): string[] {
  return view.init.filter((status, index) =>
    !isInitDone(view, { status, index })
  ).map(({ name }) => name);
}

/** A sidecar is done once it has started: later restarts of it don't take initialisation back. */
function isInitDone(
  { pod, containers }: PodView,
  { status, index }: { status: KubeContainerStatus; index: number },
): boolean {
  if (!isSidecar(pod, index)) return hasSucceeded(status);
  return status.started === true || status.restartCount > 0 ||
    status.state?.terminated !== undefined ||
    containers.some((main) => isRunning(main) || hasEnded(main));
}

function isSidecar({ spec }: Pod, index: number): boolean {
  return spec.initContainers?.[index]?.restartPolicy === "Always";
}

function isRunning({ state }: KubeContainerStatus): boolean {
  return state?.running !== undefined;
}

function hasEnded({ state, lastState }: KubeContainerStatus): boolean {
  return state?.terminated !== undefined ||
    lastState?.terminated !== undefined;
}

function hasSucceeded({ state }: KubeContainerStatus): boolean {
  return state?.terminated?.exitCode === 0;
}

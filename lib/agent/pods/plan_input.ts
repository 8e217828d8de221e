// SPDX-License-Identifier: Apache-2.0
/**
 * The terms of the planner: what it sees of one pod (the wish, what the engine holds, what is remembered between two looks), the actions
 * it decides on, and the arithmetic of restarts. Times are monotonic milliseconds.
 */
import type { RuntimeContainer, RuntimePod } from "../runtime/mod.ts";
import type { Container, PodSpec } from "../../shared/wire/mod.ts";

/** Labels that this room gives its containers; they make restart counts, back-off and init order survive the agent. */
export const LABELS = {
  /** Consecutive restarts before this instance. */
  backoffLevel: "aranya.arhat.dev/backoff-level",
  /** Id of the infra container it was started in. */
  sandbox: "aranya.arhat.dev/sandbox",
  /** The image as the pod named it. */
  image: "aranya.arhat.dev/image",
} as const;

/** What shall become of the pod. "leave": known from the engine only, and nobody has said anything about it yet. */
export type Goal =
  | { kind: "run" }
  | { kind: "leave" }
  /** The pod as a whole can't go on (DeadlineExceeded): its containers end and stay. */
  | { kind: "fail"; stopByMs: number }
  | { kind: "remove"; stopByMs: number }
  /** The object is gone: everything goes at once. */
  | { kind: "forget" };

/** One container instance on the engine. */
export interface Instance {
  id: string;
  attempt: number;
  state: "created" | "running" | "exited";
  exitCode: number;
  /** When it was first seen dead. */
  deadAtMs: number;
  /** How long it ran. */
  ranMs: number;
  backoffLevel: number;
  sandboxId: string;
  image: string;
  /** The engine's record, for the status. */
  raw: RuntimeContainer;
}

/** Why the last try to start a container came to nothing; the engine holds no instance of it. */
export interface StartFailure {
  attempt: number;
  reason: string;
  message: string;
  failedAtMs: number;
  retryAtMs: number;
}

/** One container of the spec. */
export interface ContainerView {
  spec: Container;
  role: "init" | "sidecar" | "app";
  /** Newest attempt first. */
  instances: Instance[];
  startFailure?: StartFailure | undefined;
  /** Ended for good in an earlier life of the agent, and no longer on the engine. */
  settledExitCode?: number | undefined;
  /** The startup probe has passed, or there is none; of the living instance. */
  started: boolean;
  /** A probe or the start hook has given this instance up; `what` did, for the event. */
  unhealthy?: { id: string; graceMs: number; what: string } | undefined;
}

/** Whether the pod's volumes are there. */
export type VolumesState =
  | { kind: "pending" }
  | { kind: "ready" }
  | { kind: "failed"; message: string; retryAtMs: number };

/** See {@linkcode planPod}. */
export interface PodView {
  spec: PodSpec;
  goal: Goal;
  nowMs: number;
  /** When activeDeadlineSeconds ends; absent: never. */
  deadlineAtMs?: number | undefined;
  sandbox: { kind: "absent" | "dead" | "ready"; id: string };
  sandboxRetryAtMs: number;
  volumes: VolumesState;
  /** In the order of the spec, init containers first. */
  containers: ContainerView[];
  /** Keys of actions still running: "sandbox", "volumes", "forget", or `container/<name>`, and `remove/<id>`. */
  busy: ReadonlySet<string>;
  /** Containers whose running action is a stop, with the time by which it ends. */
  stopping: ReadonlyMap<string, number>;
}

/** Turns the engine's containers into instances; `seenDeadMs` gives (and remembers) when each was first seen dead. */
export function toInstances(
  pod: RuntimePod | undefined,
  options: {
    name: string;
    seenDeadMs: (container: RuntimeContainer) => number;
  },
): Instance[] {
  return (pod?.containers ?? [])
    .filter((container) => container.name === options.name)
    .sort((left, right) => right.attempt - left.attempt)
    .map((raw) => ({
      id: raw.id,
      attempt: raw.attempt,
      state: raw.state,
      exitCode: raw.exitCode,
      deadAtMs: raw.state === "exited" ? options.seenDeadMs(raw) : 0,
      ranMs: Math.max(0, raw.finishedUnixMs - raw.startedUnixMs),
      backoffLevel: Number(raw.labels[LABELS.backoffLevel] ?? 0) || 0,
      sandboxId: raw.labels[LABELS.sandbox] ?? "",
      image: raw.labels[LABELS.image] ?? raw.image,
      raw,
    }));
}

/** First and longest delay between restarts, and the good run after which counting starts over. */
export const RESTART_DELAY_MS = 10_000;
export const MAX_RESTART_DELAY_MS = 300_000;
export const GOOD_RUN_MS = 600_000;
/** No stop is given less than this. */
export const MIN_GRACE_MS = 2_000;
/** How long a failed pull is shown as such before it reads as waiting for the next. */
export const PULL_ERROR_SHOWN_MS = 5_000;

/** One thing to do. Actions of one plan may run at the same time; each is told apart by its {@linkcode keyOf}. */
export type Action =
  | { kind: "prepareVolumes" }
  | { kind: "ensureSandbox" }
  | { kind: "forget" }
  | { kind: "start"; name: string; attempt: number; backoffLevel: number }
  | {
    kind: "stop";
    name: string;
    id: string;
    stopByMs: number;
    /** For the event. */
    why:
      | "removed"
      | "unhealthy"
      | "changed"
      | "sandbox"
      | "finished"
      | "failed";
    /** What gave an unhealthy one up. */
    what?: string;
  }
  | { kind: "removeInstance"; id: string; name: string }
  | { kind: "failPod"; reason: string; message: string };

/** Why a container does not run (yet). */
export interface Waiting {
  reason: string;
  message: string;
}

/** See {@linkcode planPod}. */
export interface Plan {
  actions: Action[];
  /** By container name; only those that wait. */
  waiting: Map<string, Waiting>;
  /** When to look again even if nothing happens. */
  wakeAtMs: number | undefined;
  /** No container of it lives, none will be started again, and no action runs. */
  ended: boolean;
}

/** The key under which an action counts as busy. */
export function keyOf(action: Action): string {
  switch (action.kind) {
    case "prepareVolumes":
      return "volumes";
    case "ensureSandbox":
      return "sandbox";
    case "removeInstance":
      return `remove/${action.id}`;
    case "start":
    case "stop":
      return `container/${action.name}`;
    default:
      return action.kind;
  }
}

/** Delay before the restart that follows this instance's death. */
export function restartDelayMs(instance: Instance): number {
  const level = levelAfter(instance) - 1;
  return level === 0
    ? 0
    : Math.min(MAX_RESTART_DELAY_MS, RESTART_DELAY_MS * 2 ** (level - 1));
}

/** How many restarts in a row its successor will count. */
export function levelAfter(instance: Instance): number {
  return (instance.ranMs >= GOOD_RUN_MS ? 0 : instance.backoffLevel) + 1;
}

/** The instance that lives. */
export function livingOf(view: ContainerView): Instance | undefined {
  return view.instances.find((instance) => instance.state === "running");
}

/** Exit code of the newest instance when it is dead, or of one that the engine no longer holds. */
export function lastExitCode(view: ContainerView): number | undefined {
  const newest = view.instances.find((one) => one.state !== "created");
  if (newest === undefined) return view.settledExitCode;
  return newest.state === "exited" ? newest.exitCode : undefined;
}

/** The kubelet's words for a container that waits before its next start. */
export function crashLoop(
  spec: Container,
  { last, pod }: { last: Instance; pod: PodSpec },
): Waiting {
  const delay = restartDelayMs(last);
  const text = delay >= 60_000 && delay % 60_000 !== 0
    ? `${Math.floor(delay / 60_000)}m${(delay % 60_000) / 1_000}s`
    : delay >= 60_000
    ? `${delay / 60_000}m0s`
    : `${delay / 1_000}s`;
  return {
    reason: "CrashLoopBackOff",
    message:
      `back-off ${text} restarting failed container=${spec.name} pod=${pod.name}_${pod.namespace}(${pod.uid})`,
  };
}

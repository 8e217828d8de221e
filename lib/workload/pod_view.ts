// SPDX-License-Identifier: Apache-2.0
/** What the planner sees of one pod: the wish, what the engine holds, and what is remembered between two looks. Times are monotonic milliseconds. */
import type { RuntimeContainer, RuntimePod } from "../runtime/mod.ts";
import type { Container, PodSpec } from "../wire/mod.ts";

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
  /** A liveness or startup probe has given this instance up. */
  unhealthy?: { id: string; graceMs: number } | undefined;
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

// SPDX-License-Identifier: Apache-2.0
/** What the planner knows of one pod. Times are milliseconds of the monotonic clock. */
import type { RuntimeContainer, RuntimePod } from "../runtime/mod.ts";
import type { Container, PodSpec } from "../../shared/wire/mod.ts";

/**
 * Labels of the containers that this room starts. They keep the restart count, the back-off and the
 * order of init containers when the agent restarts. The names are a format on the engine.
 */
export const LABELS = {
  /** Consecutive restarts before this instance. */
  backoffLevel: "aranya.arhat.dev/backoff-level",
  /** Engine id of the sandbox that the instance was started in. */
  sandbox: "aranya.arhat.dev/sandbox",
  /** Image as the pod spec names it. */
  image: "aranya.arhat.dev/image",
} as const;

/** Shortest grace period of a stop, as a kubelet has it (`minimumGracePeriodInSeconds`). */
export const MIN_GRACE_MS = 2_000;

/** What a sync works towards; derived from the goal and the failure of the pod's record. */
export type PodGoal =
  /** Containers run as the spec asks. */
  | { kind: "run" }
  /** Nothing is done: the pod was found on the engine and no spec was applied yet. */
  | { kind: "unmanaged" }
  /** The pod as a whole has failed, e.g. DeadlineExceeded: its containers are stopped and kept. */
  | { kind: "fail"; stopByMs: number }
  /** The containers are stopped and kept until the Pod object is deleted. */
  | { kind: "remove"; stopByMs: number }
  /** The Pod object is deleted: containers, volumes and the record are removed. */
  | { kind: "purge" };

/** How a container takes part in its pod; sidecars are init containers that restart always. */
export type ContainerRole = "init" | "sidecar" | "app";

/** One container on the engine: one attempt to run a container of the spec. */
export interface ContainerInstance {
  /** Engine id. */
  id: string;
  /** Restart count of this instance, from 0. */
  attempt: number;
  state: "created" | "running" | "exited";
  exitCode: number;
  /** When it exited; 0 unless it has. */
  exitedAtMs: number;
  /** How long it ran. */
  ranMs: number;
  /** Consecutive restarts before this instance. */
  backoffLevel: number;
  /** Engine id of the sandbox that it was started in. */
  sandboxId: string;
  /** Image as the pod spec named it at the start. */
  image: string;
  /** What the engine reports, for the status. */
  raw: RuntimeContainer;
}

/** Why the last attempt to start a container failed before the engine held an instance of it. */
export interface StartFailure {
  attempt: number;
  /** Image that was to be started. */
  image: string;
  reason: string;
  message: string;
  failedAtMs: number;
  /** The next attempt is not made before. */
  retryAtMs: number;
}

/** What an unhealthy instance has failed. */
export type FailedCheck = "liveness probe" | "startup probe" | "postStart hook";

/** An instance that a probe or the postStart hook has failed, and that is to be stopped. */
export interface UnhealthyInstance {
  /** Engine id. */
  id: string;
  /** Grace period of its stop. */
  graceMs: number;
  failedCheck: FailedCheck;
}

/** One container of a pod's spec. */
export interface PodContainer {
  spec: Container;
  role: ContainerRole;
}

/** One container of the spec and what is known of it. */
export interface ContainerInput extends PodContainer {
  /** Newest attempt first. */
  instances: ContainerInstance[];
  startFailure?: StartFailure | undefined;
  /** Recorded exit code of a completed container; used when the engine no longer holds it. */
  completedExitCode?: number | undefined;
  /** Whether the running instance has passed its startup probe, or has none. */
  started: boolean;
  unhealthy?: UnhealthyInstance | undefined;
  /**
   * Engine id of the instance that was stopped last to be replaced by another one, whatever its
   * exit code and the restart policy.
   */
  replacedId?: string | undefined;
}

/** Whether the pod's volumes are set up. */
export type VolumesState =
  | { kind: "pending" }
  | { kind: "ready" }
  | { kind: "failed"; message: string; retryAtMs: number }
  /** A source is missing. Another spec is awaited, which the operator sends when it is there. */
  | { kind: "blocked"; message: string };

/** A start that runs: from the pull of the image to the end of the postStart hook. */
export interface RunningStart {
  /** Restart count of the instance. */
  attempt: number;
  /** Image as the pod spec named it when the start began. */
  image: string;
}

/** A stop that runs. */
export interface RunningStop {
  /** When it ends at the latest, on the monotonic clock. */
  stopByMs: number;
  /** Whether its stop signal is held back. */
  isHeld: boolean;
}

/** The actions of a pod that run at the time of a sync. */
export interface RunningActions {
  /** Keys of all of them, see `actionKey`. */
  busy: ReadonlySet<string>;
  /** The starts among them, by container name. */
  starting: ReadonlyMap<string, RunningStart>;
  /** The stops among them, by container name. */
  stopping: ReadonlyMap<string, RunningStop>;
}

/** Input of `planPod`. */
export interface PlanInput extends RunningActions {
  spec: PodSpec;
  goal: PodGoal;
  nowMs: number;
  /** When activeDeadlineSeconds end; undefined without a deadline. */
  deadlineAtMs?: number | undefined;
  /** Why the device's owner forbids the pod, since its spec was accepted; undefined: it may run. */
  forbidden?: string | undefined;
  /** The pod's network namespace; `id` is the engine id, empty when absent. */
  sandbox: { kind: "absent" | "exited" | "ready"; id: string };
  /** The sandbox is not created before, since the last attempt failed. */
  sandboxRetryAtMs: number;
  volumes: VolumesState;
  /** Whether sandbox and volumes of a pod that has finished or failed were given back. */
  isReleased: boolean;
  /** In the order of the spec, init containers first. */
  containers: ContainerInput[];
}

/** Returns when the grace period of a stop ends, if it begins now. */
export function toStopByMs(
  { nowMs, graceMs }: { nowMs: number; graceMs: number },
): number {
  return nowMs + Math.max(MIN_GRACE_MS, graceMs);
}

/** Returns the containers of a pod in the order of its spec, init containers first. */
export function listContainers(
  { initContainers, containers }: PodSpec,
): PodContainer[] {
  return [
    ...initContainers.map((spec): PodContainer => ({
      spec,
      role: spec.restartAlways ? "sidecar" : "init",
    })),
    ...containers.map((spec): PodContainer => ({ spec, role: "app" })),
  ];
}

/** Options of {@linkcode toInstances}. */
export interface ToInstancesOptions {
  /** Name of the container in the pod. */
  name: string;
  /** When each exited container exited, by engine id. */
  exitedAtMs: ReadonlyMap<string, number>;
}

/** Returns the instances of one container that the engine holds, newest attempt first. */
export function toInstances(
  pod: RuntimePod | undefined,
  { name, exitedAtMs }: ToInstancesOptions,
): ContainerInstance[] {
  return (pod?.containers ?? [])
    .filter((container) => container.name === name)
    .sort((left, right) => right.attempt - left.attempt)
    .map((raw) => ({
      id: raw.id,
      attempt: raw.attempt,
      state: raw.state,
      exitCode: raw.exitCode,
      exitedAtMs: raw.state === "exited" ? exitedAtMs.get(raw.id) ?? 0 : 0,
      ranMs: toRanMs(raw),
      // A label that is no number counts as 0.
      backoffLevel: Number(raw.labels[LABELS.backoffLevel] ?? 0) || 0,
      sandboxId: raw.labels[LABELS.sandbox] ?? "",
      image: raw.labels[LABELS.image] ?? raw.image,
      raw,
    }));
}

/** A container that could not be started has no start time and did not run. */
function toRanMs({ startedUnixMs, finishedUnixMs }: RuntimeContainer): number {
  return startedUnixMs > 0 ? Math.max(0, finishedUnixMs - startedUnixMs) : 0;
}

/** Returns the running instance of a container. */
export function findRunning(
  container: ContainerInput,
): ContainerInstance | undefined {
  return container.instances.find((instance) => instance.state === "running");
}

/** Returns the newest instance that was started. */
export function findNewest(
  container: ContainerInput,
): ContainerInstance | undefined {
  return container.instances.find(({ state }) => state !== "created");
}

/**
 * Returns the exit code of the newest instance, or the recorded one when the engine holds no
 * instance; undefined while the container runs or when it never ran.
 */
export function findExitCode(container: ContainerInput): number | undefined {
  const newest = findNewest(container);
  if (newest === undefined) return container.completedExitCode;
  return newest.state === "exited" ? newest.exitCode : undefined;
}

// SPDX-License-Identifier: Apache-2.0
/** The status of a pod, from which the operator derives phase and conditions. */
import {
  type ContainerState,
  ContainerStateSchema,
  type ContainerStatus,
  ContainerStatusSchema,
  create,
  type PodStatus,
  PodStatusSchema,
  type Terminated,
  TerminatedSchema,
} from "../../shared/wire/mod.ts";
import { defined } from "../../shared/base/mod.ts";
import type { Plan, WaitingReason } from "./plan_builder.ts";
import type {
  ContainerInput,
  ContainerInstance,
  PlanInput,
} from "./plan_input.ts";
import type { PodRecord } from "./pod_record.ts";

/** Exit code of a container that the engine could not start. */
const START_ERROR_EXIT_CODE = 128;

/** Options of {@linkcode toPodStatus}. */
export interface ToPodStatusOptions {
  /** What the plan was made from. */
  input: PlanInput;
  plan: Plan;
  record: PodRecord;
  /** Addresses of the sandbox; empty without one and for hostNetwork. */
  podIps: readonly string[];
  /** Addresses of the device. */
  hostIps: readonly string[];
  /** Names of the containers whose running instance passes its readiness probe. */
  ready: ReadonlySet<string>;
  /** Termination messages by engine id of the instance. */
  terminationMessages: ReadonlyMap<string, string>;
}

/** Returns the status of a pod. Its `version` is 0: the caller numbers the statuses of a device. */
export function toPodStatus(options: ToPodStatusOptions): PodStatus {
  const { input, plan, record } = options;
  const { spec, goal } = input;
  const toStatus = (container: ContainerInput) =>
    toContainerStatus(container, options);
  const ips = spec.hostNetwork ? options.hostIps : options.podIps;
  return create(PodStatusSchema, {
    uid: spec.uid,
    namespace: spec.namespace,
    name: spec.name,
    specHash: spec.specHash,
    initContainers: input.containers.filter(({ role }) => role !== "app")
      .map(toStatus),
    containers: input.containers.filter(({ role }) => role === "app")
      .map(toStatus),
    podIps: input.sandbox.kind === "ready" ? [...ips] : [],
    hostIps: [...options.hostIps],
    sandboxReady: input.sandbox.kind === "ready",
    removing: goal.kind === "remove" || goal.kind === "purge",
    terminated: goal.kind === "remove" && plan.terminated,
    startedUnixMs: BigInt(record.firstSeenUnixMs),
    failureReason: record.failure?.reason ?? "",
    failureMessage: record.failure?.message ?? "",
    disruptionTarget: record.failure?.isDisruption === true,
  });
}

function toContainerStatus(
  container: ContainerInput,
  options: ToPodStatusOptions,
): ContainerStatus {
  const { input, plan, record, terminationMessages, ready } = options;
  const { name } = container.spec;
  // An instance is shown when its start has ended, with its postStart hook.
  const startingAttempt = input.starting.get(name)?.attempt;
  const [newest, previous] = container.instances.filter((
    { state, attempt },
  ) => state !== "created" && attempt !== startingAttempt);
  const terminatedOf = (instance: ContainerInstance | undefined) =>
    instance?.state === "exited"
      ? toTerminated(instance, terminationMessages.get(instance.id) ?? "")
      : undefined;
  const waiting = plan.waiting.get(name);
  const completed = newest ? undefined : record.completed.get(name);
  const isRunning = newest?.state === "running";
  // A container that waits for its next start shows its newest end as the last state. Otherwise
  // that end is the current state, and the last state is the one before.
  const last = newest && waiting && !isRunning
    ? terminatedOf(newest)
    : terminatedOf(previous);
  return create(ContainerStatusSchema, {
    name,
    state: toContainerState({
      newest,
      waiting,
      terminated: completed ?? (waiting ? undefined : terminatedOf(newest)),
    }),
    ...defined({ lastTerminated: last && toTerminatedState(last) }),
    restartCount: newest?.attempt ?? record.restartCounts.get(name) ?? 0,
    containerId: newest
      ? toContainerId(newest.id)
      : completed?.containerId ?? "",
    image: container.spec.image,
    imageId: newest?.raw.imageId ?? "",
    ready: isReady(container, { newest, passesProbe: ready.has(name) }),
    started: isRunning && container.started,
  });
}

/** An init container is ready once it has succeeded, any other one while its probe passes. */
function isReady(
  container: ContainerInput,
  { newest, passesProbe }: {
    newest: ContainerInstance | undefined;
    passesProbe: boolean;
  },
): boolean {
  if (container.role === "init") {
    return newest?.state === "exited" && newest.exitCode === 0;
  }
  return newest?.state === "running" && container.started && passesProbe;
}

function toContainerState(
  { newest, waiting, terminated }: {
    newest: ContainerInstance | undefined;
    waiting: WaitingReason | undefined;
    terminated: Terminated | undefined;
  },
): ContainerState {
  if (newest?.state === "running") {
    return create(ContainerStateSchema, {
      state: {
        case: "running",
        value: { startedUnixMs: BigInt(newest.raw.startedUnixMs) },
      },
    });
  }
  if (terminated) return toTerminatedState(terminated);
  return create(ContainerStateSchema, {
    state: {
      case: "waiting",
      value: waiting ?? { reason: "ContainerCreating", message: "" },
    },
  });
}

function toTerminatedState(value: Terminated): ContainerState {
  return create(ContainerStateSchema, { state: { case: "terminated", value } });
}

/**
 * Returns how one instance ended, with the reasons that a kubelet uses: OOMKilled, StartError,
 * Completed or Error. Without a termination message the engine's own error is shown.
 */
export function toTerminated(
  instance: ContainerInstance,
  terminationMessage: string,
): Terminated {
  const { raw, exitCode } = instance;
  return create(TerminatedSchema, {
    exitCode,
    reason: toReason(instance),
    message: terminationMessage || raw.error,
    startedUnixMs: BigInt(Math.trunc(raw.startedUnixMs)),
    finishedUnixMs: BigInt(Math.trunc(raw.finishedUnixMs)),
    containerId: toContainerId(instance.id),
  });
}

function toReason({ raw, exitCode }: ContainerInstance): string {
  if (raw.oomKilled) return "OOMKilled";
  if (raw.error !== "" && exitCode === START_ERROR_EXIT_CODE) {
    return "StartError";
  }
  return exitCode === 0 ? "Completed" : "Error";
}

/** Kubernetes writes the kind of the runtime before the id. */
function toContainerId(id: string): string {
  return `docker://${id}`;
}

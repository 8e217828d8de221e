// SPDX-License-Identifier: Apache-2.0
/** What is true of a pod, as the wire says it. A pure function; phase and conditions are derived from it by the operator. */
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
} from "../wire/mod.ts";
import type { Plan } from "./action.ts";
import type { ContainerView, Instance, PodView } from "./pod_view.ts";
import type { PodRecord } from "./record.ts";

/** Exit code that the engine gives to what could not be started. */
const START_ERROR_CODE = 128;

/** Options of {@linkcode toPodStatus}. */
export interface ToPodStatusOptions {
  view: PodView;
  plan: Plan;
  record: PodRecord;
  podIps: readonly string[];
  hostIps: readonly string[];
  /** Containers whose living instance is ready. */
  ready: ReadonlySet<string>;
  /** Termination messages by instance id. */
  messages: ReadonlyMap<string, string>;
}

/** The status but for its version. */
export function toPodStatus(options: ToPodStatusOptions): PodStatus {
  const { view, plan, record } = options;
  const { spec, goal } = view;
  const toStatus = (container: ContainerView) =>
    toContainerStatus(container, options);
  const ips = spec.hostNetwork ? options.hostIps : options.podIps;
  return create(PodStatusSchema, {
    uid: spec.uid,
    namespace: spec.namespace,
    name: spec.name,
    specHash: spec.specHash,
    initContainers: view.containers.filter(({ role }) => role !== "app")
      .map(toStatus),
    containers: view.containers.filter(({ role }) => role === "app")
      .map(toStatus),
    podIps: view.sandbox.kind === "ready" ? [...ips] : [],
    hostIps: [...options.hostIps],
    sandboxReady: view.sandbox.kind === "ready",
    removing: goal.kind === "remove" || goal.kind === "forget",
    gone: goal.kind === "remove" && plan.ended,
    startedUnixMs: BigInt(record.firstSeenUnixMs),
    failureReason: record.failure?.reason ?? "",
    failureMessage: record.failure?.message ?? "",
  });
}

function toContainerStatus(
  view: ContainerView,
  options: ToPodStatusOptions,
): ContainerStatus {
  const { record, messages, ready } = options;
  const { name } = view.spec;
  const shown = view.instances.filter(({ state }) => state !== "created");
  const [newest, former] = shown;
  const ended = (instance: Instance | undefined) =>
    instance?.state === "exited"
      ? toTerminated(instance, messages.get(instance.id) ?? "")
      : undefined;
  const waiting = options.plan.waiting.get(name);
  const settled = newest ? undefined : record.settled.get(name);
  const living = newest?.state === "running";
  // A container that waits for its next start has its newest end in `last`; else that one is the state, and `last` the one before.
  const last = newest && waiting && !living ? ended(newest) : ended(former);
  return create(ContainerStatusSchema, {
    name,
    state: toState({ newest, waiting, settled, ended }),
    ...(last && { lastTerminated: terminatedState(last) }),
    restartCount: newest?.attempt ?? record.restarts.get(name) ?? 0,
    containerId: newest ? `docker://${newest.id}` : settled?.containerId ?? "",
    image: view.spec.image,
    imageId: newest?.raw.imageId ?? "",
    ready: isReady(view, { living, ready: ready.has(name), newest }),
    started: living && view.started,
  });
}

/** An init container is ready once it has succeeded; the others by their probe. */
function isReady(
  view: ContainerView,
  seen: { living: boolean; ready: boolean; newest: Instance | undefined },
): boolean {
  if (view.role === "init") {
    return seen.newest?.state === "exited" && seen.newest.exitCode === 0;
  }
  return seen.living && view.started && seen.ready;
}

function toState(
  parts: {
    newest: Instance | undefined;
    waiting: { reason: string; message: string } | undefined;
    settled: Terminated | undefined;
    ended: (instance: Instance | undefined) => Terminated | undefined;
  },
): ContainerState {
  const { newest, waiting, settled, ended } = parts;
  if (newest?.state === "running") {
    return create(ContainerStateSchema, {
      state: {
        case: "running",
        value: { startedUnixMs: BigInt(newest.raw.startedUnixMs) },
      },
    });
  }
  const end = settled ?? (waiting ? undefined : ended(newest));
  if (end) return terminatedState(end);
  return create(ContainerStateSchema, {
    state: {
      case: "waiting",
      value: waiting ?? { reason: "ContainerCreating", message: "" },
    },
  });
}

function terminatedState(value: Terminated): ContainerState {
  return create(ContainerStateSchema, { state: { case: "terminated", value } });
}

/** How one instance ended, with the kubelet's reasons. */
export function toTerminated(instance: Instance, message: string): Terminated {
  const { raw } = instance;
  const notStarted = raw.error !== "" && instance.exitCode === START_ERROR_CODE;
  return create(TerminatedSchema, {
    exitCode: instance.exitCode,
    reason: raw.oomKilled
      ? "OOMKilled"
      : notStarted
      ? "StartError"
      : instance.exitCode === 0
      ? "Completed"
      : "Error",
    message: message || raw.error,
    startedUnixMs: BigInt(Math.trunc(raw.startedUnixMs)),
    finishedUnixMs: BigInt(Math.trunc(raw.finishedUnixMs)),
    containerId: `docker://${instance.id}`,
  });
}

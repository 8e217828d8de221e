// SPDX-License-Identifier: Apache-2.0
/** What a stream's target stands for: the host, if its owner allows it, or one instance of a container. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { HostSwitches } from "../../shared/config/mod.ts";
import type { RuntimeTarget } from "../runtime/mod.ts";
import type {
  ContainerStatus,
  PodStatus,
  Target,
} from "../../shared/wire/mod.ts";

/** What is wanted of it. */
export type Verb = "exec" | "attach" | "logs" | "previousLogs" | "portForward";

/** Options of {@linkcode resolveTarget}. */
export interface ResolveTargetOptions {
  verb: Verb;
  device: string;
  /** What the owner allows. */
  host: HostSwitches;
  /** The pod's last status. */
  statusOf(uid: string): PodStatus | undefined;
}

const HOST_SWITCHES = {
  exec: { key: "exec", action: "exec on" },
  attach: { key: "attach", action: "attach to" },
  logs: { key: "logs", action: "read logs of" },
  previousLogs: { key: "logs", action: "read logs of" },
  portForward: { key: "portForward", action: "forward ports to" },
} as const;

const CONTAINER_ACTIONS: Record<Verb, string> = {
  exec: "exec in",
  attach: "attach to",
  logs: "read logs of",
  previousLogs: "read previous logs of",
  portForward: "forward ports to",
};

/**
 * Undefined for the host.
 * @throws {AranyaError} "forbidden" naming the owner's switch; "not_found" for an unknown pod or container; "invalid" for one that
 * is in no state for it
 */
export function resolveTarget(
  target: Target | undefined,
  options: ResolveTargetOptions,
): RuntimeTarget {
  const { verb, device, host } = options;
  if (!target || target.podUid === "") {
    const { key, action } = HOST_SWITCHES[verb];
    if (host[key]) return undefined;
    throw new AranyaError(
      "forbidden",
      `Cannot ${action} host of device "${device}": the device's owner has turned it off (host.${key}: false in agent.yaml)`,
    );
  }
  const action = `Cannot ${CONTAINER_ACTIONS[verb]} ${
    target.container === "" ? "" : `container "${target.container}" of `
  }pod "${target.pod || target.podUid}"`;
  const status = options.statusOf(target.podUid);
  if (!status) {
    throw new AranyaError(
      "not_found",
      `${action}: the pod is not on device "${device}"`,
    );
  }
  const all = [...status.initContainers, ...status.containers];
  if (verb === "portForward") return runningOf(all, { ...target, action });
  const container = all.find(({ name }) => name === target.container);
  if (!container) {
    throw new AranyaError(
      "not_found",
      `${action}: the pod has none of that name`,
    );
  }
  const id = verb === "logs"
    ? logOf(container, action)
    : verb === "previousLogs"
    ? previousOf(container, action)
    : livingOf(container, action);
  return { containerId: bare(id), podUid: target.podUid };
}

function runningOf(
  containers: ContainerStatus[],
  { podUid, action }: { podUid: string; action: string },
): RuntimeTarget {
  const living = containers.find(({ state }) =>
    state?.state.case === "running"
  );
  if (!living) {
    throw new AranyaError("invalid", `${action}: none of its containers runs`);
  }
  return { containerId: bare(living.containerId), podUid };
}

function livingOf(container: ContainerStatus, action: string): string {
  const state = container.state?.state;
  if (state?.case === "running") return container.containerId;
  const now = state?.case === "waiting"
    ? `it is waiting (${state.value.reason})`
    : "it has ended";
  throw new AranyaError("invalid", `${action}: ${now}, expected running`);
}

/** Of the instance that runs or has ended last. */
function logOf(container: ContainerStatus, action: string): string {
  const { state } = container.state ?? {};
  if (state?.case !== "waiting" && container.containerId !== "") {
    return container.containerId;
  }
  const last = container.lastTerminated?.state;
  if (last?.case === "terminated" && last.value.containerId !== "") {
    return last.value.containerId;
  }
  throw new AranyaError(
    "invalid",
    `${action}: it is waiting to start (${
      state?.case === "waiting" ? state.value.reason : "unknown"
    })`,
  );
}

/** Of the instance shown in lastState. */
function previousOf(container: ContainerStatus, action: string): string {
  const last = container.lastTerminated?.state;
  if (last?.case === "terminated" && last.value.containerId !== "") {
    return last.value.containerId;
  }
  throw new AranyaError(
    "invalid",
    `${action}: previous terminated container "${container.name}" not found`,
  );
}

/** Without the engine's name in front. */
function bare(containerId: string): string {
  return containerId.replace(/^[a-z]+:\/\//, "");
}

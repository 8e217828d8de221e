// SPDX-License-Identifier: Apache-2.0
/** Resolves the target of a stream command to the host or to one instance of a container. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { HostSwitches } from "../../shared/config/mod.ts";
import type { ContainerRef, RuntimeTarget } from "../runtime/mod.ts";
import type { ContainerStatus, Target } from "../../shared/wire/mod.ts";
import type { PodRecords } from "./context.ts";

/** An operation on a target. */
export type StreamVerb =
  | "exec"
  | "attach"
  | "logs"
  | "previousLogs"
  | "portForward";

/** Options of {@linkcode resolveTarget}. */
export interface ResolveTargetOptions {
  verb: StreamVerb;
  /** The device's name, for errors. */
  device: string;
  /** Which operations the device's owner allows on the host. */
  host: HostSwitches;
  pods: Pick<PodRecords, "findStatus" | "findSpec">;
}

/** Switches of agent.yaml, and the verb's phrase in errors. */
const HOST_SWITCHES = {
  exec: { key: "exec", action: "exec on" },
  attach: { key: "attach", action: "attach to" },
  logs: { key: "logs", action: "read logs of" },
  previousLogs: { key: "logs", action: "read logs of" },
  portForward: { key: "portForward", action: "forward ports to" },
} as const;

/** The verb's phrase in errors. */
const CONTAINER_ACTIONS: Record<StreamVerb, string> = {
  exec: "exec in",
  attach: "attach to",
  logs: "read logs of",
  previousLogs: "read previous logs of",
  portForward: "forward ports to",
};

/**
 * Resolves a target: no target or an empty pod UID is the host, anything else a container instance
 * whose state fits the verb.
 * @throws {AranyaError} code "forbidden" when agent.yaml turns the verb off for the host, or for
 * ports of a pod in the host's network;
 * "not_found" for an unknown pod or container; "invalid" when the container's state doesn't fit
 */
export function resolveTarget(
  target: Target | undefined,
  options: ResolveTargetOptions,
): RuntimeTarget {
  const { verb, device, host } = options;
  if (!target || target.podUid === "") {
    const { key, action } = HOST_SWITCHES[verb];
    if (host[key]) return { kind: "host" };
    throw new AranyaError(
      "forbidden",
      `Cannot ${action} host of device "${device}": turned off by the device's owner (host.${key}: false in agent.yaml)`,
    );
  }
  const action = `Cannot ${CONTAINER_ACTIONS[verb]} ${
    target.container === "" ? "" : `container "${target.container}" of `
  }pod "${target.pod || target.podUid}"`;
  const status = options.pods.findStatus(target.podUid);
  if (!status) {
    throw new AranyaError(
      "not_found",
      `${action}: the pod is not on device "${device}"`,
    );
  }
  const containers = [...status.initContainers, ...status.containers];
  if (verb === "portForward") {
    const isHostNetwork = options.pods.findSpec(target.podUid)?.hostNetwork;
    if (isHostNetwork && !host.portForward) {
      throw new AranyaError(
        "forbidden",
        `${action}: it is in the network of the host, where this is turned off by the device's owner (host.portForward: false in agent.yaml)`,
      );
    }
    return findAnyRunning(containers, { ...target, action });
  }
  const container = containers.find(({ name }) => name === target.container);
  if (!container) {
    throw new AranyaError(
      "not_found",
      `${action}: the pod has no such container`,
    );
  }
  const id = verb === "logs"
    ? findLogInstance(container, action)
    : verb === "previousLogs"
    ? findPreviousInstance(container, action)
    : findRunningInstance(container, action);
  return toContainerRef(id, target.podUid);
}

/** Returns a running container: port-forward only needs the pod's network namespace. */
function findAnyRunning(
  containers: ContainerStatus[],
  { podUid, action }: { podUid: string; action: string },
): RuntimeTarget {
  const running = containers.find(({ state }) =>
    state?.state.case === "running"
  );
  if (!running) {
    throw new AranyaError(
      "invalid",
      `${action}: no container of the pod is running`,
    );
  }
  return toContainerRef(running.containerId, podUid);
}

/** Returns the id of the current instance, which must be running. */
function findRunningInstance(
  container: ContainerStatus,
  action: string,
): string {
  const state = container.state?.state;
  if (state?.case === "running") return container.containerId;
  const actual = state?.case === "waiting"
    ? `it is waiting (${state.value.reason})`
    : "it has terminated";
  throw new AranyaError("invalid", `${action}: ${actual}, expected running`);
}

/** Returns the id of the current instance, or of the last one that terminated. */
function findLogInstance(container: ContainerStatus, action: string): string {
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

/** Returns the id of the instance before the last restart. */
function findPreviousInstance(
  container: ContainerStatus,
  action: string,
): string {
  const last = container.lastTerminated?.state;
  if (last?.case === "terminated" && last.value.containerId !== "") {
    return last.value.containerId;
  }
  throw new AranyaError(
    "invalid",
    `${action}: previous terminated container "${container.name}" not found`,
  );
}

/** @param id with the engine's scheme, as in a pod's status, e.g. "docker://…" */
function toContainerRef(id: string, podUid: string): ContainerRef {
  const containerId = id.replace(/^[a-z]+:\/\//, "");
  return { kind: "container", containerId, podUid };
}

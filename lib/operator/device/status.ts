// SPDX-License-Identifier: Apache-2.0
/** The EdgeDevice's status, as pure functions: its conditions, and what the device reported. */
import { asAranyaError, defined, toRfc3339 } from "../../shared/base/mod.ts";
import {
  type Condition,
  type EdgeDevice,
  type EdgeDeviceStatus,
  mergeConditions,
  type ReportedFacts,
} from "../kube/mod.ts";
import type { Facts, Hello } from "../../shared/wire/mod.ts";
import { covers } from "./covers.ts";
import type { MeasuredCondition } from "./node.ts";
import { mergeProblems, type ProblemCondition } from "./problems.ts";

/** State of the link, for the condition Connected. */
export interface ConnectedCondition {
  connected: boolean;
  /** CamelCase. */
  reason: string;
  message: string;
}

/** Why reconciliations are not completed, for the condition Ready. */
export interface ReconcileError {
  /** CamelCase. */
  reason: string;
  message: string;
}

/** What a status is computed from. */
export interface EdgeStatusInput {
  /** The EdgeDevice with its present status. */
  edge: EdgeDevice;
  link: ConnectedCondition;
  /** Undefined when reconciliations are completed. */
  reconcileError?: ReconcileError | undefined;
  problems: readonly ProblemCondition[];
  agentVersion?: string | undefined;
  podCidr?: string | undefined;
  /** "host:port" of the device's kubelet server. */
  kubeletEndpoint?: string | undefined;
  /** The device's report; undefined: what is in the status stays. */
  reported?: ReportedFacts | undefined;
  /** Milliseconds since 1970. */
  nowMs: number;
}

/** Returns a merge patch of the status, or undefined when it is up to date. */
export function toEdgeStatusPatch(
  input: EdgeStatusInput,
): { status: Record<string, unknown> } | undefined {
  const { edge } = input;
  const actual: EdgeDeviceStatus = edge.status ?? {};
  const conditions = toConditions(input);
  const status: Record<string, unknown> = {};
  if (!areSameConditions(actual.conditions ?? [], conditions)) {
    status.conditions = conditions;
  }
  const desired: EdgeDeviceStatus = defined({
    observedGeneration: edge.metadata.generation || undefined,
    agentVersion: input.agentVersion || undefined,
    podCIDR: input.podCidr || undefined,
    kubeletEndpoint: input.kubeletEndpoint || undefined,
    lastTransitionTime: hasLinkChanged(input)
      ? toRfc3339(input.nowMs)
      : undefined,
    reported: input.reported,
  });
  for (const [key, value] of Object.entries(desired)) {
    if (!covers(actual[key as keyof EdgeDeviceStatus], value)) {
      status[key] = value;
    }
  }
  return Object.keys(status).length > 0 ? { status } : undefined;
}

/** A device that never connected has no transition yet. */
function hasLinkChanged({ edge, link }: EdgeStatusInput): boolean {
  const before = edge.status?.conditions?.find(({ type }) =>
    type === "Connected"
  );
  return before
    ? before.status !== (link.connected ? "True" : "False")
    : link.connected;
}

function toConditions(input: EdgeStatusInput): Condition[] {
  const { edge, link, reconcileError, nowMs } = input;
  const problems = mergeProblems(input.problems);
  const notReady = problems.find(({ isFatal }) => isFatal) ?? reconcileError ??
    (link.connected ? undefined : link);
  const desired: Condition[] = [
    {
      type: "Connected",
      status: link.connected ? "True" : "False",
      reason: link.reason,
      message: link.message,
    },
    {
      type: "Ready",
      status: notReady ? "False" : "True",
      reason: notReady?.reason ?? "DeviceServed",
      message: notReady?.message ??
        "Node and virtual pod exist and the device is connected",
    },
    ...problems.map(({ type, reason, message }) => ({
      type,
      status: "True" as const,
      reason,
      message,
    })),
  ];
  const observed = defined({
    observedGeneration: edge.metadata.generation || undefined,
  });
  return mergeConditions(
    desired.map((condition) => ({ ...condition, ...observed })),
    { former: edge.status?.conditions, nowMs },
  );
}

function areSameConditions(actual: Condition[], desired: Condition[]): boolean {
  return actual.length === desired.length &&
    desired.every((condition) =>
      covers(actual.find(({ type }) => type === condition.type), condition)
    );
}

/**
 * Returns the device's report in the form of `status.reported`; `hello` adds what the agent
 * announced.
 */
export function fromFacts(
  facts: Facts,
  hello: Hello | undefined,
): ReportedFacts {
  const { host, pods } = facts;
  return {
    os: facts.os,
    arch: facts.arch,
    kernelVersion: facts.kernelVersion,
    osImage: facts.osImage,
    machineID: facts.machineId,
    bootID: facts.bootId,
    hostname: facts.hostname,
    // Empty rather than absent for a device without an engine: a merge patch has to clear it.
    runtimeVersion: facts.runtimeVersion,
    ...defined({ runtimeRoot: facts.runtimeRoot || undefined }),
    addresses: [...facts.addresses],
    cpu: toCpuQuantity(facts.cpuMillis),
    memory: toBinaryQuantity(facts.memoryBytes),
    storage: toBinaryQuantity(facts.storageBytes),
    ...defined({
      protocolVersion: hello?.protocolVersion,
      capabilities: hello && [...hello.capabilities],
      host: host && {
        exec: host.exec,
        attach: host.attach,
        logs: host.logs,
        portForward: host.portForward,
      },
      pods: pods && {
        privileged: pods.privileged,
        hostPath: pods.hostPath,
        hostNamespaces: pods.hostNamespaces,
      },
    }),
  };
}

/** Returns the conditions that the device measured, for its Node; each has a reason. */
export function fromMeasured(facts: Facts): MeasuredCondition[] {
  return facts.conditions.map(({ type, status, reason, message }) => ({
    type,
    status,
    reason: reason || (status ? "Measured" : "NothingFound"),
    message,
  }));
}

/** Formats millis of a CPU as a quantity: "4" or "3500m". */
function toCpuQuantity(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

const BINARY_UNITS = ["Ki", "Mi", "Gi", "Ti", "Pi"];

/**
 * Formats bytes as a quantity: whole KiB in the largest unit without a fraction. That is the form
 * in which the API server stores quantities; any other form would differ from the stored one, and
 * be written again on each sync.
 */
function toBinaryQuantity(bytes: bigint): string {
  let count = bytes / 1024n;
  if (count === 0n) return "0";
  let unit = 0;
  while (count % 1024n === 0n && unit < BINARY_UNITS.length - 1) {
    count /= 1024n;
    unit++;
  }
  return `${count}${BINARY_UNITS[unit]}`;
}

/** Returns an error in the form of a condition: its code as CamelCase reason, and its message. */
export function toReconcileError(error: unknown): ReconcileError {
  const { code, message } = asAranyaError(error, "Cannot reconcile device");
  const reason = code.replace(
    /(?:^|_)([a-z])/g,
    (_, letter: string) => letter.toUpperCase(),
  );
  return { reason, message };
}

// SPDX-License-Identifier: Apache-2.0
/** The EdgeDevice's status: its conditions and its digital twin. Pure: values in, values out. */
import { asAranyaError } from "../../shared/base/mod.ts";
import type {
  Condition,
  EdgeDevice,
  EdgeDeviceStatus,
  ReportedFacts,
} from "../kube/mod.ts";
import type { Facts, Hello } from "../../shared/wire/mod.ts";
import type { MeasuredCondition } from "./node.ts";
import { covers } from "./objects.ts";

/** Something that a user is to know about a device, and that is over when it is no longer said. */
export interface Trouble {
  /** Type of the condition; its status is True while the trouble lasts. */
  type:
    | "NameConflict"
    | "DuplicateDevice"
    | "NotSupported"
    | "AddressConflict"
    | "CertificateIncomplete"
    | "VersionNotServed";
  reason: string;
  message: string;
  /** Whether the device can't be served for it. */
  fatal: boolean;
}

/** What is true of the link. */
export interface ConnectedCondition {
  connected: boolean;
  /** Of the condition Connected. */
  reason: string;
  message: string;
}

/** What a status is made of. */
export interface StatusWish {
  edge: EdgeDevice;
  link: ConnectedCondition;
  /** What keeps the objects from being complete; undefined: nothing. */
  setback?: { reason: string; message: string } | undefined;
  troubles: Trouble[];
  agentVersion?: string | undefined;
  podCidr?: string | undefined;
  kubeletEndpoint?: string | undefined;
  /** The digital twin; undefined: leave what stands there. */
  reported?: ReportedFacts | undefined;
  nowMs: number;
}

/** A merge patch of the status, or undefined when all is right. */
export function toEdgeStatusPatch(
  wish: StatusWish,
): { status: Record<string, unknown> } | undefined {
  const { edge } = wish;
  const actual: EdgeDeviceStatus = edge.status ?? {};
  const conditions = toConditions(wish, actual.conditions ?? []);
  const status: Record<string, unknown> = {};
  if (!sameConditions(actual.conditions ?? [], conditions)) {
    status.conditions = conditions;
  }
  const before = actual.conditions?.find(({ type }) => type === "Connected");
  const after = conditions.find(({ type }) => type === "Connected");
  const turned = before?.status !== after?.status &&
    (before !== undefined || wish.link.connected);
  const wanted: EdgeDeviceStatus = {
    ...(edge.metadata.generation
      ? { observedGeneration: edge.metadata.generation }
      : {}),
    ...(wish.agentVersion ? { agentVersion: wish.agentVersion } : {}),
    ...(wish.podCidr ? { podCIDR: wish.podCidr } : {}),
    ...(wish.kubeletEndpoint ? { kubeletEndpoint: wish.kubeletEndpoint } : {}),
    ...(turned ? { lastTransitionTime: toTime(wish.nowMs) } : {}),
    ...(wish.reported ? { reported: wish.reported } : {}),
  };
  for (const [key, value] of Object.entries(wanted)) {
    if (!covers(actual[key as keyof EdgeDeviceStatus], value)) {
      status[key] = value;
    }
  }
  return Object.keys(status).length > 0 ? { status } : undefined;
}

function toConditions(wish: StatusWish, actual: Condition[]): Condition[] {
  const { link, setback, troubles } = wish;
  const fatal = troubles.find((trouble) => trouble.fatal);
  const unready = fatal ?? setback ??
    (link.connected
      ? undefined
      : { reason: link.reason, message: link.message });
  const wanted: Condition[] = [
    {
      type: "Connected",
      status: link.connected ? "True" : "False",
      reason: link.reason,
      message: link.message,
    },
    unready
      ? {
        type: "Ready",
        status: "False",
        reason: unready.reason,
        message: unready.message,
      }
      : {
        type: "Ready",
        status: "True",
        reason: "DeviceServed",
        message: "Node and virtual pod are there and the device is connected",
      },
    ...troubles.map(({ type, reason, message }) => ({
      type,
      status: "True" as const,
      reason,
      message,
    })),
  ];
  return wanted.map((condition) => {
    const before = actual.find(({ type }) => type === condition.type);
    return {
      ...condition,
      ...(wish.edge.metadata.generation
        ? { observedGeneration: wish.edge.metadata.generation }
        : {}),
      lastTransitionTime: before?.status === condition.status
        ? before.lastTransitionTime ?? toTime(wish.nowMs)
        : toTime(wish.nowMs),
    };
  });
}

function sameConditions(actual: Condition[], wanted: Condition[]): boolean {
  return actual.length === wanted.length &&
    wanted.every((condition) =>
      covers(actual.find(({ type }) => type === condition.type), condition)
    );
}

function toTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The digital twin, from the device's report and what its agent said of itself. */
export function fromFacts(
  facts: Facts,
  hello: Hello | undefined,
): ReportedFacts {
  const texts: ReportedFacts = {
    os: facts.os,
    arch: facts.arch,
    kernelVersion: facts.kernelVersion,
    osImage: facts.osImage,
    machineID: facts.machineId,
    bootID: facts.bootId,
    hostname: facts.hostname,
    // Always there, also empty: a device without engine has none.
    runtimeVersion: facts.runtimeVersion,
  };
  return {
    ...texts,
    ...(facts.runtimeRoot ? { runtimeRoot: facts.runtimeRoot } : {}),
    addresses: [...facts.addresses],
    cpu: toCpu(facts.cpuMillis),
    memory: toMemory(facts.memoryBytes),
    storage: toMemory(facts.storageBytes),
    ...(hello
      ? {
        protocolVersion: hello.protocolVersion,
        capabilities: [...hello.capabilities],
      }
      : {}),
    ...(facts.host
      ? {
        host: {
          exec: facts.host.exec,
          attach: facts.host.attach,
          logs: facts.host.logs,
          portForward: facts.host.portForward,
        },
      }
      : {}),
  };
}

/** What the device measured of itself. */
export function fromMeasured(facts: Facts): MeasuredCondition[] {
  return facts.conditions.map(({ type, status, reason, message }) => ({
    type,
    status,
    reason: reason || (status ? "Measured" : "NothingFound"),
    message,
  }));
}

/** "4" or "3500m". */
function toCpu(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

const UNITS = ["Ki", "Mi", "Gi", "Ti", "Pi"];

/**
 * Whole KiB in the largest unit that leaves no fraction, as the API server writes quantities of a Node: in any other form they would differ
 * from what is stored for ever, and each look would write them again.
 */
function toMemory(bytes: bigint): string {
  let count = bytes / 1024n;
  if (count === 0n) return "0";
  let unit = 0;
  while (count % 1024n === 0n && unit < UNITS.length - 1) {
    count /= 1024n;
    unit++;
  }
  return `${count}${UNITS[unit]}`;
}

/** An error's place in a condition: CamelCase reason and sentence. */
export function toSetback(error: unknown): { reason: string; message: string } {
  const { code, message } = asAranyaError(error, "Cannot set up device");
  const reason = code.replace(
    /(?:^|_)([a-z])/g,
    (_, letter: string) => letter.toUpperCase(),
  );
  return { reason, message };
}

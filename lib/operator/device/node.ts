// SPDX-License-Identifier: Apache-2.0
/** The Node that a device becomes: what it should be, and the patches that make it so. Pure: values in, objects out. */
import type {
  EdgeDevice,
  Node,
  NodeCondition,
  NodeStatus,
  ReportedFacts,
  Taint,
} from "../kube/mod.ts";
import {
  ADDED_ANNOTATION,
  covers,
  NAMESPACE_LABEL,
  ownLabels,
  POD_CIDR_ANNOTATION,
} from "./objects.ts";

/** One condition as the device measured it. */
export interface MeasuredCondition {
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

/** What a Node is made of. */
export interface NodeWish {
  edge: EdgeDevice;
  /** Addresses of the operator's host, preferred first. */
  addresses: string[];
  /** Port of the device's kubelet server on that host. */
  kubeletPort: number;
  /** Such as "v1.34.0". */
  kubeletVersion: string;
  /** Range of the device's pods, when we chose it. */
  podCidr?: string | undefined;
  /** What the device reported last; undefined: never. */
  facts?: ReportedFacts | undefined;
  /** Set while the link is up and the device has told its conditions. */
  measured?: MeasuredCondition[] | undefined;
  nowMs: number;
}

const PRESSURES = ["MemoryPressure", "DiskPressure", "PIDPressure"];

/** `providerID` of a device's Node. */
export function providerIdOf(edge: EdgeDevice): string {
  return `aranya://${edge.metadata.namespace}/${edge.metadata.name}`;
}

/** Whether a Node of the device's name was made for it. */
export function isOurNode(edge: EdgeDevice, node: Node): boolean {
  return node.spec?.providerID === providerIdOf(edge);
}

/** A new Node with its status; can be created in one request. */
export function toNode(wish: NodeWish): Node {
  const { labels, annotations, taints } = toNodeMarks(wish);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: wish.edge.metadata.name, labels, annotations },
    spec: { providerID: providerIdOf(wish.edge), taints },
    status: {
      ...toNodeFigures(wish),
      conditions: toNodeConditions(wish, []) ?? toUnknownConditions(wish.nowMs),
    },
  };
}

/** Labels, annotations and taints of a Node: ours and those that the EdgeDevice adds. */
export function toNodeMarks(wish: NodeWish): {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  taints: Taint[];
} {
  const { edge, facts, podCidr } = wish;
  const added = edge.spec?.node ?? {};
  const memory = {
    ...(added.labels ? { labels: Object.keys(added.labels).sort() } : {}),
    ...(added.annotations
      ? { annotations: Object.keys(added.annotations).sort() }
      : {}),
    ...(added.taints ? { taints: added.taints.map(taintKey).sort() } : {}),
  };
  return {
    labels: {
      ...added.labels,
      ...ownLabels(edge),
      "kubernetes.io/hostname": edge.metadata.name,
      "kubernetes.io/os": facts?.os ?? "linux",
      ...(facts?.arch ? { "kubernetes.io/arch": facts.arch } : {}),
      type: "virtual-kubelet",
      "node.kubernetes.io/exclude-from-external-load-balancers": "true",
    },
    annotations: {
      ...added.annotations,
      ...(podCidr ? { [POD_CIDR_ANNOTATION]: podCidr } : {}),
      [ADDED_ANNOTATION]: JSON.stringify(memory),
    },
    taints: [
      {
        key: NAMESPACE_LABEL,
        value: edge.metadata.namespace ?? "",
        effect: "NoSchedule",
      },
      ...(added.taints ?? []),
    ],
  };
}

/** A merge patch of metadata and taints, or undefined when all is right. Others' labels and taints stay. */
export function toMarksPatch(
  wish: NodeWish,
  node: Node,
): Record<string, unknown> | undefined {
  const { labels, annotations, taints } = toNodeMarks(wish);
  const before = readAdded(node);
  const metadata: Record<string, unknown> = {
    ...difference("labels", {
      actual: node.metadata.labels ?? {},
      wanted: labels,
      former: before.labels,
    }),
    ...difference("annotations", {
      actual: node.metadata.annotations ?? {},
      wanted: annotations,
      former: before.annotations,
    }),
  };
  const spec: Record<string, unknown> = {};
  const kept = (node.spec?.taints ?? []).filter((taint) =>
    !taints.some((ours) => taintKey(ours) === taintKey(taint)) &&
    !before.taints.includes(taintKey(taint))
  );
  const merged = [...kept, ...taints.map((taint) => withAge(taint, node))];
  if (!sameTaints(node.spec?.taints ?? [], merged)) spec.taints = merged;
  if (Object.keys(metadata).length + Object.keys(spec).length === 0) {
    return undefined;
  }
  // A list is replaced as a whole: the version keeps another's taint from being lost.
  if (spec.taints) metadata.resourceVersion = node.metadata.resourceVersion;
  return { metadata, spec };
}

/** A strategic patch of our part of the status, or undefined when all is right. */
export function toStatusPatch(
  wish: NodeWish,
  node: Node,
): { status: Record<string, unknown> } | undefined {
  const figures = toNodeFigures(wish);
  const status: Record<string, unknown> = {};
  const actual = node.status ?? {};
  for (const key of Object.keys(figures) as (keyof typeof figures)[]) {
    if (!covers(actual[key], figures[key])) status[key] = figures[key];
  }
  if (status.addresses) {
    status.addresses = [...figures.addresses ?? [], { "$patch": "replace" }];
  }
  const conditions = toNodeConditions(wish, actual.conditions ?? []);
  if (conditions && !sameConditions(actual.conditions ?? [], conditions)) {
    status.conditions = conditions;
  } else if (!conditions && !actual.conditions?.length) {
    status.conditions = toUnknownConditions(wish.nowMs);
  }
  return Object.keys(status).length > 0 ? { status } : undefined;
}

/** Everything in the status but its conditions. */
export function toNodeFigures(wish: NodeWish): NodeStatus {
  const { facts, edge } = wish;
  // A device without engine runs no pods but stays a node: the virtual pod is there.
  const slots = facts && !facts.runtimeVersion
    ? 0
    : edge.spec?.pod?.allocatable ?? 10;
  const capacity = {
    ...(facts?.cpu ? { cpu: facts.cpu } : {}),
    ...(facts?.memory ? { memory: facts.memory } : {}),
    ...(facts?.storage ? { "ephemeral-storage": facts.storage } : {}),
    pods: String(slots + 1),
  };
  return {
    capacity,
    allocatable: capacity,
    addresses: wish.addresses.map((address) => ({
      type: "InternalIP",
      address,
    })),
    daemonEndpoints: { kubeletEndpoint: { Port: wish.kubeletPort } },
    nodeInfo: {
      machineID: facts?.machineID ?? "",
      systemUUID: facts?.machineID ?? "",
      bootID: facts?.bootID ?? "",
      kernelVersion: facts?.kernelVersion ?? "",
      osImage: facts?.osImage ?? "",
      containerRuntimeVersion: facts?.runtimeVersion ?? "",
      kubeletVersion: wish.kubeletVersion,
      kubeProxyVersion: "",
      operatingSystem: facts?.os ?? "linux",
      architecture: facts?.arch ?? "",
    },
  };
}

/** Conditions by what the device measured; undefined while it has told nothing: then what stands there is left to lapse. */
function toNodeConditions(
  wish: NodeWish,
  actual: NodeCondition[],
): NodeCondition[] | undefined {
  const { measured, facts, nowMs } = wish;
  if (!measured) return undefined;
  const runtime = measured.find(({ type }) => type === "RuntimeReady");
  const down = runtime && !runtime.status && facts?.runtimeVersion;
  const wanted = [
    ...PRESSURES.map((type) => toPressure(type, measured)),
    down
      ? {
        type: "Ready",
        status: "False" as const,
        reason: "KubeletNotReady",
        message: runtime.message || "container engine is down",
      }
      : {
        type: "Ready",
        status: "True" as const,
        reason: "KubeletReady",
        message: "aranya agent is posting ready status",
      },
  ];
  const now = toSeconds(nowMs);
  return wanted.map((condition) => {
    const before = actual.find(({ type }) => type === condition.type);
    return {
      ...condition,
      lastHeartbeatTime: now,
      lastTransitionTime: before?.status === condition.status
        ? before.lastTransitionTime ?? now
        : now,
    };
  });
}

function toPressure(type: string, measured: MeasuredCondition[]) {
  const found = measured.find((condition) => condition.type === type);
  if (!found) {
    return {
      type,
      status: "Unknown" as const,
      reason: "NotMeasured",
      message: "the device does not measure this",
    };
  }
  return {
    type,
    status: found.status ? "True" as const : "False" as const,
    reason: found.reason,
    message: found.message,
  };
}

/** Of a device that was never heard of; all four, so that the node controller has nothing to add. */
function toUnknownConditions(nowMs: number): NodeCondition[] {
  const now = toSeconds(nowMs);
  return [...PRESSURES, "Ready"].map((type) => ({
    type,
    status: "Unknown",
    reason: "DeviceNeverConnected",
    message: "the device's agent has not connected yet",
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }));
}

/** A time as conditions write it, in whole seconds. */
export function toSeconds(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");
}

function sameConditions(
  actual: NodeCondition[],
  wanted: NodeCondition[],
): boolean {
  return wanted.every((condition) => {
    const { type, status, reason, message } = condition;
    // The API server leaves out texts that are empty.
    return actual.some((found) =>
      found.type === type && found.status === status &&
      (found.reason ?? "") === (reason ?? "") &&
      (found.message ?? "") === (message ?? "")
    );
  });
}

function taintKey({ key, effect }: Taint): string {
  return `${key}:${effect}`;
}

/** Keeps when a taint was added, which the API server fills in. */
function withAge(taint: Taint, node: Node): Taint {
  const found = node.spec?.taints?.find((other) =>
    taintKey(other) === taintKey(taint) && other.value === taint.value
  );
  return found?.timeAdded ? { ...taint, timeAdded: found.timeAdded } : taint;
}

function sameTaints(actual: Taint[], wanted: Taint[]): boolean {
  return actual.length === wanted.length &&
    wanted.every((taint) =>
      actual.some((found) =>
        taintKey(found) === taintKey(taint) &&
        (found.value ?? "") === (taint.value ?? "")
      )
    );
}

function readAdded(
  node: Node,
): { labels: string[]; annotations: string[]; taints: string[] } {
  const none = { labels: [], annotations: [], taints: [] };
  try {
    const text = node.metadata.annotations?.[ADDED_ANNOTATION] ?? "{}";
    return { ...none, ...JSON.parse(text) };
  } catch {
    return none; // somebody wrote into it: nothing is taken back
  }
}

/** The changed part of a map: new values, and null for keys that we added before and no longer want. */
function difference(
  field: string,
  { actual, wanted, former }: {
    actual: Record<string, string>;
    wanted: Record<string, string>;
    former: string[];
  },
): Record<string, Record<string, string | null>> {
  const changed: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(wanted)) {
    if (actual[key] !== value) changed[key] = value;
  }
  for (const key of former) {
    if (!(key in wanted) && key in actual) changed[key] = null;
  }
  return Object.keys(changed).length > 0 ? { [field]: changed } : {};
}

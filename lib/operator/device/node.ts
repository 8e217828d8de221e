// SPDX-License-Identifier: Apache-2.0
/** The Node of a device, as pure functions: the desired object, and patches towards it. */
import { defined, toRfc3339 } from "../../shared/base/mod.ts";
import {
  type EdgeDevice,
  isSameCondition,
  mergeConditions,
  type Node,
  type NodeCondition,
  type NodeStatus,
  type ReportedFacts,
  type Taint,
} from "../kube/mod.ts";
import { covers } from "./covers.ts";
import {
  ADDED_ANNOTATION,
  NAMESPACE_LABEL,
  ownLabels,
  POD_CIDR_ANNOTATION,
} from "./metadata.ts";
import { NETWORK_CONDITION } from "./network_condition.ts";

/** A condition as the device measured it. */
export interface MeasuredCondition {
  /** E.g. "DiskPressure", or "RuntimeReady" for the container engine. */
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

/** What a Node is computed from. */
export interface NodeInput {
  edge: EdgeDevice;
  /** Addresses of the operator's host, preferred first. */
  addresses: string[];
  /** Port of the device's kubelet server on that host. */
  kubeletPort: number;
  /** E.g. "v1.34.0". */
  kubeletVersion: string;
  /** The device's pod range; empty or undefined: none was chosen. */
  podCidr?: string | undefined;
  /** The device's last report; undefined: it never sent one. */
  facts?: ReportedFacts | undefined;
  /** Undefined while the link is down and until the device has sent them. */
  measured?: MeasuredCondition[] | undefined;
  /** Leaves the condition NetworkUnavailable as it is. @default false */
  keepsNetworkCondition?: boolean;
  /** Milliseconds since 1970. */
  nowMs: number;
}

/** Labels, annotations and taints of a Node. */
interface NodeMetadata {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  taints: Taint[];
}

/** Keys that the EdgeDevice added to a Node; taints as "key:effect". */
interface AddedKeys {
  labels: string[];
  annotations: string[];
  taints: string[];
}

/** Label that kubectl shows as the Node's role. */
const NODE_ROLE_LABEL = "node-role.kubernetes.io/edge-device";

/** Conditions of a Node that its device reports when it is short of something. */
export const PRESSURE_CONDITIONS: readonly string[] = [
  "MemoryPressure",
  "DiskPressure",
  "PIDPressure",
];
/** `spec.pod.allocatable` where the EdgeDevice has none. */
const DEFAULT_POD_COUNT = 10;

/** Returns the `providerID` of a device's Node. */
export function providerIdOf(edge: EdgeDevice): string {
  return `aranya://${edge.metadata.namespace}/${edge.metadata.name}`;
}

/** Returns whether a Node of the device's name was made for this device. */
export function isOurNode(edge: EdgeDevice, node: Node): boolean {
  return node.spec?.providerID === providerIdOf(edge);
}

/** Returns a new Node with its status; the API server takes both in one create request. */
export function toNode(input: NodeInput): Node {
  const { labels, annotations, taints } = toNodeMetadata(input);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: input.edge.metadata.name, labels, annotations },
    spec: { providerID: providerIdOf(input.edge), taints },
    status: {
      ...toNodeStatus(input),
      conditions: toNodeConditions(input, []) ??
        toUnknownConditions(input.nowMs),
    },
  };
}

/**
 * Returns the desired labels, annotations and taints: the operator's and those of the EdgeDevice.
 */
function toNodeMetadata({ edge, facts, podCidr }: NodeInput): NodeMetadata {
  const { labels, annotations, taints } = edge.spec?.node ?? {};
  const added = defined({
    labels: labels && Object.keys(labels).sort(),
    annotations: annotations && Object.keys(annotations).sort(),
    taints: taints?.map(taintKey).sort(),
  });
  return {
    labels: {
      ...labels,
      ...ownLabels(edge),
      "kubernetes.io/hostname": edge.metadata.name,
      "kubernetes.io/os": facts?.os ?? "linux",
      ...defined({ "kubernetes.io/arch": facts?.arch || undefined }),
      type: "virtual-kubelet",
      [NODE_ROLE_LABEL]: "",
      "node.kubernetes.io/exclude-from-external-load-balancers": "true",
    },
    annotations: {
      ...annotations,
      ...defined({ [POD_CIDR_ANNOTATION]: podCidr || undefined }),
      [ADDED_ANNOTATION]: JSON.stringify(added),
    },
    taints: [
      {
        key: NAMESPACE_LABEL,
        value: edge.metadata.namespace ?? "",
        effect: "NoSchedule",
      },
      ...(taints ?? []),
    ],
  };
}

/**
 * Returns a merge patch of metadata and taints, or undefined when both are up to date. Labels,
 * annotations and taints that others set stay.
 */
export function toMetadataPatch(
  input: NodeInput,
  node: Node,
): Record<string, unknown> | undefined {
  const { labels, annotations, taints } = toNodeMetadata(input);
  const added = readAddedKeys(node);
  const metadata: Record<string, unknown> = {
    ...toMapPatch("labels", {
      actual: node.metadata.labels ?? {},
      desired: labels,
      added: added.labels,
    }),
    ...toMapPatch("annotations", {
      actual: node.metadata.annotations ?? {},
      desired: annotations,
      added: added.annotations,
    }),
  };
  const spec: Record<string, unknown> = {};
  const foreign = (node.spec?.taints ?? []).filter((taint) =>
    !taints.some((ours) => taintKey(ours) === taintKey(taint)) &&
    !added.taints.includes(taintKey(taint))
  );
  const merged = [
    ...foreign,
    ...taints.map((taint) => withTimeAdded(taint, node)),
  ];
  if (!areSameTaints(node.spec?.taints ?? [], merged)) spec.taints = merged;
  if (Object.keys(metadata).length + Object.keys(spec).length === 0) {
    return undefined;
  }
  // The list is replaced whole: a taint that is added meanwhile must cause a conflict, not be lost.
  if (spec.taints) metadata.resourceVersion = node.metadata.resourceVersion;
  return { metadata, spec };
}

/**
 * Returns a strategic merge patch of the Node's status, or undefined when it is up to date. While
 * the device is offline its conditions are left alone: the node lifecycle controller sets them to
 * Unknown once the Lease has expired.
 */
export function toNodeStatusPatch(
  input: NodeInput,
  node: Node,
): { status: Record<string, unknown> } | undefined {
  const desired = toNodeStatus(input);
  const status: Record<string, unknown> = {};
  const actual = node.status ?? {};
  for (const key of Object.keys(desired) as (keyof typeof desired)[]) {
    if (!covers(actual[key], desired[key])) status[key] = desired[key];
  }
  if (status.addresses) {
    // The list would be merged by type otherwise, and a former address would stay.
    status.addresses = [...desired.addresses ?? [], { "$patch": "replace" }];
  }
  const former = actual.conditions ?? [];
  const conditions = toNodeConditions(input, former);
  const isChanged = conditions?.some((condition) =>
    !isSameCondition(
      former.find(({ type }) => type === condition.type),
      condition,
    )
  );
  if (isChanged) status.conditions = conditions;
  else if (!conditions && former.length === 0) {
    status.conditions = toUnknownConditions(input.nowMs);
  }
  return Object.keys(status).length > 0 ? { status } : undefined;
}

/** Returns the desired status without its conditions. */
export function toNodeStatus(input: NodeInput): NodeStatus {
  const { facts, edge } = input;
  // A device without a container engine is still a Node, for its virtual pod.
  const podCount = facts && !facts.runtimeVersion
    ? 0
    : edge.spec?.pod?.allocatable ?? DEFAULT_POD_COUNT;
  const capacity = {
    ...defined({
      cpu: facts?.cpu || undefined,
      memory: facts?.memory || undefined,
      "ephemeral-storage": facts?.storage || undefined,
    }),
    pods: String(podCount + 1), // one more for the virtual pod
  };
  return {
    capacity,
    allocatable: capacity,
    addresses: input.addresses.map((address) => ({
      type: "InternalIP",
      address,
    })),
    daemonEndpoints: { kubeletEndpoint: { Port: input.kubeletPort } },
    nodeInfo: {
      machineID: facts?.machineID ?? "",
      systemUUID: facts?.machineID ?? "",
      bootID: facts?.bootID ?? "",
      kernelVersion: facts?.kernelVersion ?? "",
      osImage: facts?.osImage ?? "",
      containerRuntimeVersion: facts?.runtimeVersion ?? "",
      kubeletVersion: input.kubeletVersion,
      kubeProxyVersion: "",
      operatingSystem: facts?.os ?? "linux",
      architecture: facts?.arch ?? "",
    },
  };
}

/**
 * Returns the conditions by what the device measured; undefined when nothing is known of it now.
 */
function toNodeConditions(
  { measured, facts, keepsNetworkCondition, nowMs }: NodeInput,
  former: NodeCondition[],
): NodeCondition[] | undefined {
  if (!measured) return undefined;
  const runtime = measured.find(({ type }) => type === "RuntimeReady");
  const isRuntimeDown = runtime && !runtime.status && facts?.runtimeVersion;
  // Another client's reason for the same status stays.
  const hasNetwork = former.some(({ type, status }) =>
    type === NETWORK_CONDITION.type && status === NETWORK_CONDITION.status
  );
  const desired: NodeCondition[] = [
    ...(keepsNetworkCondition || hasNetwork ? [] : [NETWORK_CONDITION]),
    ...PRESSURE_CONDITIONS.map((type) => toPressure(type, measured)),
    isRuntimeDown
      ? {
        type: "Ready",
        status: "False",
        reason: "KubeletNotReady",
        message: runtime.message || "container engine is down",
      }
      : {
        type: "Ready",
        status: "True",
        reason: "KubeletReady",
        message: "aranya agent is posting ready status",
      },
  ];
  const lastHeartbeatTime = toRfc3339(nowMs);
  return mergeConditions(
    desired.map((condition) => ({ ...condition, lastHeartbeatTime })),
    { former, nowMs },
  );
}

function toPressure(
  type: string,
  measured: MeasuredCondition[],
): NodeCondition {
  const found = measured.find((condition) => condition.type === type);
  if (!found) {
    return {
      type,
      status: "Unknown",
      reason: "NotMeasured",
      message: "the device does not measure this",
    };
  }
  return {
    type,
    status: found.status ? "True" : "False",
    reason: found.reason,
    message: found.message,
  };
}

/**
 * Returns the conditions of a device that never connected. All of them, because the node lifecycle
 * controller would add those that are missing.
 */
function toUnknownConditions(nowMs: number): NodeCondition[] {
  const now = toRfc3339(nowMs);
  const unknown = [...PRESSURE_CONDITIONS, "Ready"].map((
    type,
  ): NodeCondition => ({
    type,
    status: "Unknown",
    reason: "DeviceNeverConnected",
    message: "the device's agent has not connected yet",
  }));
  return [NETWORK_CONDITION, ...unknown].map((condition) => ({
    ...condition,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }));
}

/** Returns what identifies a taint of a Node, as kubectl writes it. */
function taintKey({ key, effect }: Taint): string {
  return `${key}:${effect}`;
}

/** Keeps `timeAdded`, which the API server fills in. */
function withTimeAdded(taint: Taint, node: Node): Taint {
  const found = node.spec?.taints?.find((other) =>
    taintKey(other) === taintKey(taint) && other.value === taint.value
  );
  return found?.timeAdded ? { ...taint, timeAdded: found.timeAdded } : taint;
}

function areSameTaints(actual: Taint[], desired: Taint[]): boolean {
  return actual.length === desired.length &&
    desired.every((taint) =>
      actual.some((found) =>
        taintKey(found) === taintKey(taint) &&
        (found.value ?? "") === (taint.value ?? "")
      )
    );
}

function readAddedKeys(node: Node): AddedKeys {
  const none = { labels: [], annotations: [], taints: [] };
  try {
    const text = node.metadata.annotations?.[ADDED_ANNOTATION] ?? "{}";
    return { ...none, ...JSON.parse(text) };
  } catch {
    return none; // a user edited it: nothing is removed then
  }
}

/**
 * Returns the part of a merge patch that changes a map: new values, and null for keys that the
 * EdgeDevice added before and no longer has.
 */
function toMapPatch(
  field: string,
  { actual, desired, added }: {
    actual: Record<string, string>;
    desired: Record<string, string>;
    added: string[];
  },
): Record<string, Record<string, string | null>> {
  const changed: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(desired)) {
    if (actual[key] !== value) changed[key] = value;
  }
  for (const key of added) {
    if (!(key in desired) && key in actual) changed[key] = null;
  }
  return Object.keys(changed).length > 0 ? { [field]: changed } : {};
}

// SPDX-License-Identifier: Apache-2.0
/**
 * Steps of a reconciliation for the Node: its pod range, its kubelet server, the Node itself and
 * its Lease.
 */
import { hasCode, toRfc3339Micro } from "../../shared/base/mod.ts";
import {
  type EdgeDevice,
  LEASE,
  NODE,
  type Node,
  type ReportedFacts,
} from "../kube/mod.ts";
import type { AddressBook, PodRange } from "./context.ts";
import { covers } from "./covers.ts";
import type { Device } from "./device.ts";
import { LEASE_NAMESPACE, POD_CIDR_ANNOTATION } from "./metadata.ts";
import {
  isNetworkUnavailable,
  type NetworkConditionLimit,
} from "./network_condition.ts";
import {
  isOurNode,
  type NodeInput,
  toMetadataPatch,
  toNode,
  toNodeStatusPatch,
} from "./node.ts";
import { toLease } from "./objects.ts";
import type { ObjectWriter } from "./writer.ts";

/** Returns the informer's copy of the device's own Node; undefined when that is a foreign one. */
export function ownNodeOf({ edge, name, context }: Device): Node | undefined {
  const node = context.kube.stores.nodes.get(name);
  return node && isOurNode(edge, node) ? node : undefined;
}

/**
 * Returns the device's pod range: that of its Node, of the EdgeDevice, or a picked one; undefined
 * when none is free.
 */
export function claimPodRange(
  { edge, name, context }: Device,
): PodRange | undefined {
  const node = context.kube.stores.nodes.get(name);
  return context.addresses.claim(name, knownRangeOf(edge, node));
}

/** Returns the pod range that a device was given, or had before. */
export function knownRangeOf(
  edge: EdgeDevice,
  node: Node | undefined,
): Parameters<AddressBook["claim"]>[1] {
  const ours = node && isOurNode(edge, node) ? node : undefined;
  return {
    assigned: ours?.spec?.podCIDR ?? edge.spec?.pod?.cidr,
    previous: edge.status?.podCIDR ??
      ours?.metadata.annotations?.[POD_CIDR_ANNOTATION],
  };
}

/** Returns the port that the device's kubelet server had; undefined when it had none. */
export function knownPortOf(
  edge: EdgeDevice,
  node: Node | undefined,
): number | undefined {
  const port = node && isOurNode(edge, node)
    ? node.status?.daemonEndpoints?.kubeletEndpoint?.Port
    : Number(edge.status?.kubeletEndpoint?.match(/:(\d+)$/)?.[1] ?? 0);
  return port || undefined;
}

/**
 * Starts the device's kubelet server unless it runs, on the port that it had before if that is
 * free.
 */
export async function openKubelet(device: Device): Promise<void> {
  if (device.kubelet) return;
  const { context, edge, name } = device;
  device.kubelet = await context.kubelets.open(name, {
    wantedPort: knownPortOf(edge, context.kube.stores.nodes.get(name)),
    handlers: device.handlers,
  });
}

/** Returns the device's last report: to this process, else as the status has it. */
export function lastFactsOf({ link, edge }: Device): ReportedFacts | undefined {
  return link.reported ?? edge.status?.reported;
}

/**
 * Creates or updates the Node, metadata and status in a write each. Returns undefined when a
 * foreign Node has the name, which is reported as a conflict.
 */
export async function ensureNode(
  device: Device,
  options: {
    writer: ObjectWriter;
    networkLimit: NetworkConditionLimit;
    podCidr: string;
    signal: AbortSignal;
  },
): Promise<Node | undefined> {
  const { edge, name, context: { kube: { client, stores } } } = device;
  const { writer, signal } = options;
  const node = writer.latest(NODE.kind, stores.nodes.get(name));
  try {
    return await createOrUpdate(device, { ...options, node });
  } catch (error) {
    if (!hasCode(error, "conflict")) throw error;
    const found = await client.find(NODE, { name }, { signal });
    if (!found || isOurNode(edge, found)) throw error;
    writer.reportConflict(NODE.kind, name);
    return undefined;
  }
}

async function createOrUpdate(
  device: Device,
  { node, writer, networkLimit, podCidr, signal }: {
    node: Node | undefined;
    writer: ObjectWriter;
    networkLimit: NetworkConditionLimit;
    podCidr: string;
    signal: AbortSignal;
  },
): Promise<Node | undefined> {
  const { edge, name } = device;
  const input = toNodeInput(device, podCidr);
  let actual = node ?? await writer.create(NODE, toNode(input), {
    signal,
    ownershipOf: (found) => isOurNode(edge, found) ? "ours" : "foreign",
  });
  if (!actual) return undefined;
  if (!isOurNode(edge, actual)) {
    writer.reportConflict(NODE.kind, name);
    return undefined;
  }
  const metadata = toMetadataPatch(input, actual);
  if (metadata) {
    actual = await writer.patch(NODE, actual, { body: metadata, signal });
  }
  return await updateStatus(device, {
    input,
    node: actual,
    writer,
    networkLimit,
    signal,
  });
}

async function updateStatus(
  device: Device,
  { input, node, writer, networkLimit, signal }: {
    input: NodeInput;
    node: Node;
    writer: ObjectWriter;
    networkLimit: NetworkConditionLimit;
    signal: AbortSignal;
  },
): Promise<Node> {
  const { name, context: { clock, queue } } = device;
  const isUnavailable = isNetworkUnavailable(node);
  const delayMs = isUnavailable ? networkLimit.delayMs(clock.monotonicMs()) : 0;
  if (delayMs > 0) queue.enqueue(name, { afterMs: delayMs });
  const body = toNodeStatusPatch({
    ...input,
    keepsNetworkCondition: delayMs > 0,
  }, node);
  if (!body) return node;
  const written = await writer.patch(NODE, node, {
    body,
    kind: "strategic",
    subresource: "status",
    signal,
  });
  if (isUnavailable && !isNetworkUnavailable(written)) {
    networkLimit.recordCleared(clock.monotonicMs());
  }
  return written;
}

function toNodeInput(device: Device, podCidr: string): NodeInput {
  const { edge, context: { operator, clock }, kubelet, link } = device;
  return {
    edge,
    addresses: operator.addresses,
    kubeletPort: kubelet?.port ?? 0,
    kubeletVersion: operator.kubeletVersion,
    podCidr,
    facts: lastFactsOf(device),
    measured: link.measured,
    nowMs: clock.wallMs(),
  };
}

/** Creates the Node's Lease, and corrects its labels and owner. Renewals are not its concern. */
export async function ensureLease(
  device: Device,
  { node, writer, signal }: {
    node: Node;
    writer: ObjectWriter;
    signal: AbortSignal;
  },
): Promise<void> {
  const { edge, name, context: { clock, kube: { stores } } } = device;
  const desired = toLease(edge, {
    uid: node.metadata.uid ?? "",
    renewTime: toRfc3339Micro(clock.wallMs()),
  });
  const lease = writer.latest(
    LEASE.kind,
    stores.leases.get(`${LEASE_NAMESPACE}/${name}`),
  ) ?? await writer.create(LEASE, desired, {
    signal,
    ownershipOf: () => "ours",
  });
  if (!lease) return;
  const { labels, ownerReferences } = desired.metadata;
  if (covers(lease.metadata, { labels, ownerReferences })) return;
  await writer.patch(LEASE, lease, {
    body: { metadata: { labels, ownerReferences } },
    signal,
  });
}

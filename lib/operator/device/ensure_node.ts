// SPDX-License-Identifier: Apache-2.0
/**
 * Steps of a reconciliation for the Node: its pod range, its kubelet server, the Node itself and
 * its Lease.
 */
import { toRfc3339Micro } from "../../shared/base/mod.ts";
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

/** Returns the device's pod range: that of its Node, of the EdgeDevice, or a picked one. */
export function claimPodRange({ edge, name, context }: Device): PodRange {
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
  { writer, podCidr, signal }: {
    writer: ObjectWriter;
    podCidr: string;
    signal: AbortSignal;
  },
): Promise<Node | undefined> {
  const { edge, name, context: { kube: { client, stores } } } = device;
  const input = toNodeInput(device, podCidr);
  const stored = writer.latest(NODE.kind, stores.nodes.get(name));
  let node = stored ??
    await writer.create(NODE, toNode(input), {
      signal,
      ownershipOf: (found) => isOurNode(edge, found) ? "ours" : "foreign",
    });
  if (!node) return undefined;
  if (!isOurNode(edge, node)) {
    writer.reportConflict(NODE.kind, name);
    return undefined;
  }
  const metadata = toMetadataPatch(input, node);
  if (metadata) {
    node = await client.patch(NODE, { name }, { body: metadata, signal });
  }
  const status = toNodeStatusPatch(input, node);
  if (status) {
    node = await client.patch(NODE, { name }, {
      body: status,
      kind: "strategic",
      subresource: "status",
      signal,
    });
  }
  if (metadata || status) writer.recordWrite(NODE.kind, node);
  return node;
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
  const { edge, name, context: { clock, kube: { client, stores } } } = device;
  const ref = { namespace: LEASE_NAMESPACE, name };
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
  writer.recordWrite(
    LEASE.kind,
    await client.patch(LEASE, ref, {
      body: { metadata: { labels, ownerReferences } },
      signal,
    }),
  );
}

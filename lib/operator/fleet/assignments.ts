// SPDX-License-Identifier: Apache-2.0
/** What devices keep over restarts of the operator: pod range and kubelet port. */
import {
  type AddressBook,
  type DeviceStores,
  knownPortOf,
  knownRangeOf,
} from "../device/mod.ts";
import type { KubeletRegistry } from "./kubelet_registry.ts";

/** Options of {@linkcode restoreAssignments}. */
export interface RestoreAssignmentsOptions {
  /** Must be synced. */
  stores: Pick<DeviceStores, "edges" | "nodes">;
  addresses: Pick<AddressBook, "claim">;
  kubelets: Pick<KubeletRegistry, "reserve">;
}

/**
 * Gives each device the pod range and the kubelet port that it had. Call it before the first device
 * is reconciled: one that is new would else pick a range or port whose owner comes later.
 */
export function restoreAssignments(
  { stores, addresses, kubelets }: RestoreAssignmentsOptions,
): void {
  for (const edge of stores.edges.list()) {
    const { name } = edge.metadata;
    const node = stores.nodes.get(name);
    const range = knownRangeOf(edge, node);
    if (range.assigned ?? range.previous) addresses.claim(name, range);
    const port = knownPortOf(edge, node);
    if (port !== undefined) kubelets.reserve(name, port);
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Removes what outlived its EdgeDevice. */
import type { Logger } from "../../shared/base/mod.ts";
import {
  EDGE_DEVICE,
  type KubeObject,
  LEASE,
  NODE,
  type ObjectType,
} from "../kube/mod.ts";
import type { DeviceKube } from "./context.ts";
import { LEASE_NAMESPACE } from "./metadata.ts";
import { isOurNode } from "./node.ts";

/** Options of {@linkcode removeOrphans}. */
export interface RemoveOrphansOptions {
  kube: Pick<DeviceKube, "client" | "namespace" | "stores">;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Deletes Node and Lease of a device whose EdgeDevice no longer exists, because its finalizer was
 * removed by hand, or it was lost. The garbage collector deletes all other objects: their owner is
 * the EdgeDevice. Does nothing while an EdgeDevice of the name exists.
 */
export async function removeOrphans(
  name: string,
  { kube: { client, namespace, stores }, log, signal }: RemoveOrphansOptions,
): Promise<void> {
  const storedNode = stores.nodes.get(name);
  const lease = stores.leases.get(`${LEASE_NAMESPACE}/${name}`);
  if (!storedNode && !lease) return;
  // Informers may lag behind, and what is deleted by mistake costs the device its pods.
  const edge = await client.find(EDGE_DEVICE, { namespace, name }, { signal });
  if (edge) return;
  const node = await client.find(NODE, { name }, { signal });
  if (node && !isOurNode({ metadata: { namespace, name } }, node)) return;
  const remove = async <T extends KubeObject>(
    type: ObjectType<T>,
    { metadata }: KubeObject,
  ) => {
    const { namespace, name, uid } = metadata;
    log.info("object without an edgedevice is removed", {
      object: type.plural,
      device: name,
    });
    await client.delete(type, { namespace, name }, { uid, signal });
  };
  if (node) await remove(NODE, node);
  if (lease) await remove(LEASE, lease);
}

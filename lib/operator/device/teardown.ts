// SPDX-License-Identifier: Apache-2.0
/** The end of an EdgeDevice: its pods, then everything that was made for it, then the finalizer. May be begun again at any step. */
import { AranyaError, asAranyaError } from "../../shared/base/mod.ts";
import {
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  type KubeObject,
  LEASE,
  NODE,
  type ObjectType,
  POD,
  type Pod,
  SECRET,
  SERVICE,
} from "../kube/mod.ts";
import type { Device } from "./device.ts";
import type { DeviceObjects } from "./reconcile.ts";
import { isOurNode } from "./node.ts";
import {
  agentSecretName,
  FINALIZER,
  LEASE_NAMESPACE,
  ownership,
  servingSecretName,
} from "./objects.ts";

/** How long a device that is connected has for its pods beyond their own grace. */
const EXTRA_MS = 20_000;
const MAX_WAIT_MS = 120_000;

/** What a teardown has begun; one for each device. */
export interface Teardown {
  /** Pods are not waited for any longer, on the clock's monotonic time. */
  deadlineMs?: number;
}

/**
 * Removes everything. @returns whether that is done; when not, look again soon
 * @throws {AranyaError} what the API server said: look again later
 */
export async function tearDown(
  device: Device,
  { state, latest, signal }: {
    state: Teardown;
    /** The newer one of what an informer holds and what we wrote. */
    latest: DeviceObjects["latest"];
    signal: AbortSignal;
  },
): Promise<boolean> {
  if (!await removePods(device, { state, signal })) return false;
  const { context, name, edge } = device;
  context.kubelets.release(name);
  const own = { namespace: context.namespace, name };
  const { stores } = context;
  const key = `${context.namespace}/${name}`;
  const mine = <T extends KubeObject>(type: ObjectType<T>, stored?: T) => {
    const object = latest(type.kind, stored);
    if (!object || ownership(edge, object) === "foreign") return undefined;
    return remove(device, type, object, signal);
  };
  const node = latest(NODE.kind, stores.nodes.get(name));
  if (node && isOurNode(edge, node)) await remove(device, NODE, node, signal);
  const lease = latest(
    LEASE.kind,
    stores.leases.get(`${LEASE_NAMESPACE}/${name}`),
  );
  const serving = stores.secrets.get(
    `${context.namespace}/${servingSecretName(name)}`,
  );
  await Promise.all([
    lease && remove(device, LEASE, lease, signal),
    mine(
      SECRET,
      stores.secrets.get(`${context.namespace}/${agentSecretName(name)}`),
    ),
    serving && ownership(edge, serving) !== "foreign" &&
    remove(device, SECRET, serving, signal),
    mine(SERVICE, stores.services.get(key)),
    mine(ENDPOINT_SLICE, stores.slices.get(key)),
    mine(POD, context.sources.findPod(key)),
  ]);
  await device.close(
    new AranyaError(
      "unavailable",
      `Cannot go on with device "${name}": its EdgeDevice was deleted`,
    ),
  );
  const finalizers = edge.metadata.finalizers ?? [];
  if (!finalizers.includes(FINALIZER)) return true;
  try {
    await context.client.patch(EDGE_DEVICE, own, {
      body: {
        metadata: {
          resourceVersion: edge.metadata.resourceVersion,
          finalizers: finalizers.filter((one) => one !== FINALIZER),
        },
      },
      signal,
    });
  } catch (error) {
    if (asAranyaError(error, "").code !== "not_found") throw error;
  }
  return true;
}

/** Deletes the node's pods and waits, within bounds, until the device has ended them. */
async function removePods(
  device: Device,
  { state, signal }: { state: Teardown; signal: AbortSignal },
): Promise<boolean> {
  const { context, name, link } = device;
  const pods = context.sources.listPods(name).filter((pod) =>
    !device.isVirtualPod(pod.metadata) &&
    context.sources.serves(pod.metadata.namespace ?? "")
  );
  if (pods.length === 0) return true;
  const nowMs = context.clock.monotonicMs();
  if (state.deadlineMs === undefined) {
    const graceMs = Math.max(...pods.map(graceOf)) * 1000;
    state.deadlineMs = nowMs +
      (link.up ? Math.min(graceMs + EXTRA_MS, MAX_WAIT_MS) : 0);
    await cordon(device, signal);
  }
  // A device that is away can't say that it has ended them: deleting its EdgeDevice gives it up.
  const force = nowMs >= state.deadlineMs || !link.up;
  await Promise.all(pods.map((pod) => {
    if (!force && pod.metadata.deletionTimestamp) return undefined;
    return context.client.delete(POD, pod.metadata, {
      uid: pod.metadata.uid,
      signal,
      ...(force ? { gracePeriodSeconds: 0 } : {}),
    });
  }));
  if (force) return true;
  context.wake(name, { afterMs: 1000 });
  return false;
}

function graceOf(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ??
    pod.spec?.terminationGracePeriodSeconds ?? 30;
}

/** Keeps the scheduler from sending more. */
async function cordon(device: Device, signal: AbortSignal): Promise<void> {
  const { context, name, edge } = device;
  const node = context.stores.nodes.get(name);
  if (!node || !isOurNode(edge, node) || node.spec?.unschedulable) return;
  await context.client.patch(NODE, { name }, {
    body: { spec: { unschedulable: true } },
    signal,
  });
}

async function remove<T extends KubeObject>(
  device: Device,
  type: ObjectType<T>,
  object: T,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  try {
    await device.context.client.delete(type, { namespace, name }, {
      uid,
      signal,
      gracePeriodSeconds: 0,
    });
  } catch (error) {
    // "conflict": another object bears the name by now, which is not ours to delete.
    if (asAranyaError(error, "").code !== "conflict") throw error;
  }
}

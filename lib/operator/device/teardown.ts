// SPDX-License-Identifier: Apache-2.0
/** Removes everything that was made for a deleted EdgeDevice. */
import { AranyaError, defined, hasCode } from "../../shared/base/mod.ts";
import {
  EDGE_DEVICE,
  ENDPOINT_SLICE,
  keyOf,
  type KubeObject,
  LEASE,
  NODE,
  type Node,
  type ObjectType,
  POD,
  type Pod,
  SECRET,
  SERVICE,
} from "../kube/mod.ts";
import type { Device } from "./device.ts";
import { ownNodeOf } from "./ensure_node.ts";
import {
  agentSecretName,
  FINALIZER,
  LEASE_NAMESPACE,
  ownership,
  servingSecretName,
} from "./metadata.ts";
import { isOurNode } from "./node.ts";
import type { DeviceReconciler } from "./reconcile.ts";

/** How long a connected device may take to stop its pods, beyond their grace period. */
const EXTRA_GRACE_MS = 20_000;
/** Upper bound of the time that pods are waited for. */
const MAX_POD_WAIT_MS = 120_000;
const POD_POLL_MS = 1000;
/** As the API server defaults it. */
const DEFAULT_GRACE_SECONDS = 30;

/** Progress of a device's removal; kept from one call of {@linkcode tearDown} to the next. */
export interface TeardownState {
  /** Whether the Node was read, so that the device knows whose its pods are. */
  isNodeKnown?: boolean;
  /** Pods are not waited for any longer, on the clock's monotonic time; set by the first call. */
  podDeadlineMs?: number;
  /** Whether the pods are deleted, so that the device need not connect any more. */
  arePodsDeleted?: boolean;
}

/** Options of {@linkcode tearDown}. */
export interface TearDownOptions {
  state: TeardownState;
  /** Knows objects that the informers have not seen yet. */
  objects: Pick<DeviceReconciler, "latest">;
  signal: AbortSignal;
}

/**
 * Removes the device's pods, then its objects, then the finalizer. Each step may be repeated. When
 * another kubelet has the Node, its Node, Lease and pods are never touched.
 * @returns whether everything is removed; otherwise the device was enqueued for the next call
 * @throws {AranyaError} of the API server; call again later
 */
export async function tearDown(
  device: Device,
  { state, objects, signal }: TearDownOptions,
): Promise<boolean> {
  if (!state.isNodeKnown) await readNode(device, signal);
  state.isNodeKnown = true;
  if (!await removePods(device, { state, signal })) return false;
  state.arePodsDeleted = true;
  device.context.kubelets.release(device.name);
  await removeObjects(device, { objects, signal });
  await device.close(
    new AranyaError(
      "unavailable",
      `Cannot serve device "${device.name}": its EdgeDevice was deleted`,
    ),
  );
  await removeFinalizer(device, signal);
  return true;
}

/**
 * Reads the Node from the API server, because the informer's copy may be minutes old, and nothing
 * that is deleted by mistake comes back.
 */
async function readNode(
  device: Device,
  signal: AbortSignal,
): Promise<Node | undefined> {
  const { name, edge, context: { kube: { client } } } = device;
  const node = await client.find(NODE, { name }, { signal });
  if (!node) device.onNodeDeleted();
  else if (isOurNode(edge, node)) device.onNodeOurs();
  else await device.onNodeForeign();
  return node;
}

/**
 * Deletes the pods of the Node, and waits within limits until a device that is connected, or is
 * expected back, has stopped them.
 * @returns whether they need not be waited for any longer
 */
async function removePods(
  device: Device,
  { state, signal }: { state: TeardownState; signal: AbortSignal },
): Promise<boolean> {
  const { name, link, context: { clock, queue, kube } } = device;
  if (!device.ownsPods) return true;
  if (!kube.sources.hasListedPods()) {
    // Soon after the operator's start it is not known yet which pods the device runs.
    queue.enqueue(name, { afterMs: POD_POLL_MS });
    return false;
  }
  const pods = kube.sources.listPods(name).filter(({ metadata }) =>
    !device.isVirtualPod(metadata) &&
    kube.sources.serves(metadata.namespace ?? "")
  );
  if (pods.length === 0) return true;
  const nowMs = clock.monotonicMs();
  if (state.podDeadlineMs === undefined) {
    const graceMs = Math.max(...pods.map(graceSecondsOf)) * 1000;
    state.podDeadlineMs = nowMs +
      Math.min(graceMs + EXTRA_GRACE_MS, MAX_POD_WAIT_MS);
    await cordon(device, signal);
    expectAgent(device);
  }
  // A device that stays away can't report that pods have stopped, and its EdgeDevice is given up.
  const isForced = nowMs >= state.podDeadlineMs ||
    !(link.isUp || link.mayReturn(device.edge));
  await Promise.all(pods.map(async (pod) => {
    if (!isForced && pod.metadata.deletionTimestamp) return;
    await deleteIfAllowed(device, {
      type: POD,
      object: pod,
      signal,
      ...defined({ gracePeriodSeconds: isForced ? 0 : undefined }),
    });
  }));
  if (isForced) return true;
  queue.enqueue(name, { afterMs: POD_POLL_MS });
  return false;
}

/**
 * Lets a device connect that was connected to the former leader: it has to stop its pods. Nothing
 * is written.
 */
function expectAgent(device: Device): void {
  device.findKeys();
  device.configure(
    ownNodeOf(device)?.spec?.podCIDR ?? device.edge.status?.podCIDR ?? "",
  );
}

function graceSecondsOf({ metadata, spec }: Pod): number {
  return metadata.deletionGracePeriodSeconds ??
    spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** Marks the Node unschedulable, so that no further pods are bound to it. */
async function cordon(device: Device, signal: AbortSignal): Promise<void> {
  const { name, context: { kube: { client } } } = device;
  const node = ownNodeOf(device);
  if (!node || node.spec?.unschedulable) return;
  await client.patch(NODE, { name }, {
    body: {
      metadata: { uid: node.metadata.uid },
      spec: { unschedulable: true },
    },
    signal,
  });
}

/**
 * Deletes all objects of the device but its EdgeDevice; the Node first, so that nothing is bound to
 * it. The others have an owner, so that the garbage collector deletes them too: while their
 * namespace is being deleted the operator may have lost the right to.
 */
async function removeObjects(
  device: Device,
  { objects, signal }: Pick<TearDownOptions, "objects" | "signal">,
): Promise<void> {
  const { name, edge, context: { kube: { namespace, stores, sources } } } =
    device;
  const key = `${namespace}/${name}`;
  const gracePeriodSeconds = 0;
  const removeOwn = async <T extends KubeObject>(
    type: ObjectType<T>,
    object: T | undefined,
  ) => {
    if (!object || ownership(edge, object) === "foreign") return;
    await deleteIfAllowed(device, { type, object, gracePeriodSeconds, signal });
  };
  const latest = <T extends KubeObject>(type: ObjectType<T>, stored?: T) =>
    objects.latest(type.kind, stored);

  const node = await readNode(device, signal);
  const isForeign = node && !device.ownsNode;
  if (node && !isForeign) {
    await deleteObject(device, { type: NODE, object: node, signal });
  }
  // A kubelet that has the Node now uses the Lease of that name, whoever created it.
  const lease = isForeign ? undefined : latest(
    LEASE,
    stores.leases.get(`${LEASE_NAMESPACE}/${name}`),
  );
  const agentSecret = stores.secrets.get(
    `${namespace}/${agentSecretName(name)}`,
  );
  const servingSecret = stores.secrets.get(
    `${namespace}/${servingSecretName(name)}`,
  );
  await Promise.all([
    lease && deleteIfAllowed(device, { type: LEASE, object: lease, signal }),
    removeOwn(SECRET, latest(SECRET, agentSecret)),
    removeOwn(SECRET, servingSecret),
    removeOwn(SERVICE, latest(SERVICE, stores.services.get(key))),
    removeOwn(ENDPOINT_SLICE, latest(ENDPOINT_SLICE, stores.slices.get(key))),
    removeOwn(POD, latest(POD, sources.findPod(key))),
  ]);
}

interface Deletion<T extends KubeObject> {
  type: ObjectType<T>;
  object: T;
  /** Undefined: the object's own. */
  gracePeriodSeconds?: number;
  signal: AbortSignal;
}

async function deleteIfAllowed<T extends KubeObject>(
  device: Device,
  deletion: Deletion<T>,
): Promise<void> {
  try {
    await deleteObject(device, deletion);
  } catch (error) {
    if (!hasCode(error, "forbidden")) throw error;
    device.context.log.warn("object of a deleted edgedevice was not removed", {
      device: device.name,
      object: keyOf(deletion.object),
      error,
    });
  }
}

async function deleteObject<T extends KubeObject>(
  device: Device,
  { type, object, ...options }: Deletion<T>,
): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  try {
    await device.context.kube.client.delete(type, { namespace, name }, {
      uid,
      ...options,
    });
  } catch (error) {
    // "conflict": another object has the name by now, which is not the device's.
    if (!hasCode(error, "conflict")) throw error;
  }
}

async function removeFinalizer(
  device: Device,
  signal: AbortSignal,
): Promise<void> {
  const { name, edge, context: { kube: { client, namespace } } } = device;
  const { finalizers = [], resourceVersion } = edge.metadata;
  if (!finalizers.includes(FINALIZER)) return;
  try {
    await client.patch(EDGE_DEVICE, { namespace, name }, {
      body: {
        metadata: {
          resourceVersion,
          finalizers: finalizers.filter((one) => one !== FINALIZER),
        },
      },
      signal,
    });
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
  }
}

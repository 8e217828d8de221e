// SPDX-License-Identifier: Apache-2.0
/** All devices of a namespace. */
import { KeyedQueue } from "../../shared/base/mod.ts";
import {
  agentSecretName,
  type Device,
  type DeviceContext,
  NAME_LABEL,
  NAMESPACE_LABEL,
  removeOrphans,
  type SyncQueue,
} from "../device/mod.ts";
import type {
  EdgeDevice,
  KubeObject,
  Lease,
  Node,
  ObjectChange,
} from "../kube/mod.ts";
import { type Heartbeats, ManagedDevice } from "./managed_device.ts";

/** Options of {@linkcode DeviceRegistry}. */
export interface DeviceRegistryOptions {
  /** What devices depend on; the registry itself is their queue. Its stores must be synced. */
  context: Omit<DeviceContext, "queue">;
  heartbeats: Heartbeats;
  /** Highest number of devices that are synced at the same time. @default 16 */
  concurrency?: number;
}

/** Changes by others come in groups and are synced together. */
const CHANGE_DELAY_MS = 100;
/** Objects without an EdgeDevice are removed after this time, when informers have caught up. */
const ORPHAN_DELAY_MS = 5000;
/** The registry counts as busy for this long after a new device, because more may follow. */
const QUIET_MS = 5000;

/**
 * Runs a `ManagedDevice` for each EdgeDevice of the namespace, and syncs it whenever its EdgeDevice
 * or one of its objects has changed. Level-based: a change only enqueues the device's name.
 *
 * Starts with its construction; dispose it to stop. The objects of the devices stay then.
 */
export class DeviceRegistry implements AsyncDisposable, SyncQueue {
  readonly #context: DeviceContext;
  readonly #heartbeats: Heartbeats;
  readonly #devices = new Map<string, ManagedDevice>();
  readonly #queue: KeyedQueue;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #closing = new Set<Promise<void>>();
  /** Timers of {@linkcode endLinksWhenOffline}. */
  readonly #linkEnds = new Set<ReturnType<typeof setTimeout>>();
  /** When the last device was added, on the clock's monotonic time. */
  #addedMs = -Infinity;

  constructor(options: DeviceRegistryOptions) {
    const { context, heartbeats, concurrency = 16 } = options;
    this.#context = { ...context, queue: this };
    this.#heartbeats = heartbeats;
    this.#queue = new KeyedQueue({
      concurrency,
      work: (name, signal) => this.#sync(name, signal),
      onError: (name, { error, retryMs }) =>
        context.log.warn("device not reconciled, will retry", {
          device: name,
          error,
          ms: Math.round(retryMs),
        }),
    });
    this.#watch();
    this.#enqueueOrphans();
  }

  /** Whether devices are being set up, or were within the last seconds. */
  get isBusy(): boolean {
    return this.#queue.size > 0 ||
      this.#context.clock.monotonicMs() - this.#addedMs < QUIET_MS;
  }

  /** Number of devices. */
  get size(): number {
    return this.#devices.size;
  }

  /** Number of devices whose link is up. */
  get connectedCount(): number {
    let count = 0;
    for (const { device } of this.#devices.values()) {
      if (device.link.isUp) count++;
    }
    return count;
  }

  /**
   * Returns the device of this name, for an agent that connects; undefined also when its EdgeDevice
   * is being deleted and its pods have stopped.
   */
  find(name: string): Device | undefined {
    const managed = this.#devices.get(name);
    return managed?.acceptsAgent ? managed.device : undefined;
  }

  /** Enqueues every device. */
  enqueueAll(): void {
    for (const name of this.#devices.keys()) this.enqueue(name);
  }

  /**
   * Closes each device's link once its `offlineAfter` has passed, unless `cancelLinkEnd` is called
   * before: another operator may serve the device then.
   */
  endLinksWhenOffline(reason: string): void {
    this.cancelLinkEnd();
    for (const { device } of this.#devices.values()) {
      this.#linkEnds.add(
        setTimeout(
          () => device.link.closeLink(reason),
          device.settings.offlineAfterMs,
        ),
      );
    }
  }

  /** See {@linkcode endLinksWhenOffline}. */
  cancelLinkEnd(): void {
    for (const timer of this.#linkEnds) clearTimeout(timer);
    this.#linkEnds.clear();
  }

  /** See {@linkcode SyncQueue.enqueue}. */
  enqueue(name: string, options?: { afterMs?: number }): void {
    this.#queue.add(name, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancelLinkEnd();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue[Symbol.asyncDispose]();
    for (const name of [...this.#devices.keys()]) {
      this.#remove(
        name,
        `Cannot serve device "${name}": the operator is shutting down`,
      );
    }
    await Promise.allSettled(this.#closing);
  }

  #watch(): void {
    const { edges, nodes, leases, secrets, services, slices } =
      this.#context.kube.stores;
    this.#unsubscribe.push(
      edges.onChange((change) => this.#onEdgeChanged(change), {
        replay: true,
      }),
      nodes.onChange((change) => this.#onNodeChanged(change)),
      leases.onChange((change) => this.#onLeaseChanged(change)),
      secrets.onChange((change) => this.#onSecretChanged(change)),
      services.onChange((change) => this.#onObjectChanged("Service", change)),
      slices.onChange((change) =>
        this.#onObjectChanged("EndpointSlice", change)
      ),
    );
  }

  /** Enqueues the names of Nodes and Leases of this namespace that have no EdgeDevice. */
  #enqueueOrphans(): void {
    const { namespace, stores: { nodes, leases } } = this.#context.kube;
    for (const { metadata } of [...nodes.list(), ...leases.list()]) {
      const { name, labels } = metadata;
      if (labels?.[NAMESPACE_LABEL] === namespace && !this.#devices.has(name)) {
        this.enqueue(name);
      }
    }
  }

  #onEdgeChanged({ now, old }: ObjectChange<EdgeDevice>): void {
    const name = (now ?? old)?.metadata.name;
    if (name === undefined) return;
    const known = this.#devices.get(name);
    // A deleted EdgeDevice that was created again has another UID.
    if (known && known.device.edge.metadata.uid !== now?.metadata.uid) {
      this.#remove(
        name,
        `Cannot serve device "${name}": its EdgeDevice was deleted`,
      );
      // Without its finalizer nothing has removed its Node.
      this.enqueue(name, { afterMs: ORPHAN_DELAY_MS });
    }
    if (now) {
      const { device } = this.#devices.get(name) ?? this.#add(now);
      device.observeEdge(now);
      // The operator's own status writes need no sync of their own.
      const isStatusOnly = old && isSameMetadata(old, now) &&
        old.metadata.generation === now.metadata.generation;
      this.enqueue(name, isStatusOnly ? { afterMs: CHANGE_DELAY_MS } : {});
    }
  }

  #onNodeChanged({ key: name, now }: ObjectChange<Node>): void {
    const managed = this.#devices.get(name);
    if (!managed) return;
    if (!now) managed.reconciler.forgetWrite("Node");
    managed.device.observeNode(now);
    this.enqueue(name, { afterMs: CHANGE_DELAY_MS });
  }

  #onLeaseChanged(change: ObjectChange<Lease>): void {
    const { now, old } = change;
    // Nearly all changes are renewals, which need no sync.
    if (now && old && isSameMetadata(now, old)) return;
    this.#onObjectChanged("Lease", change);
  }

  #onSecretChanged(change: ObjectChange<KubeObject>): void {
    this.#onObjectChanged("Secret", change);
    const name = this.#findOwner(change)?.device.name;
    const { now, old } = change;
    // The credential may be revoked: that must not wait for further changes.
    if (name && !now && old?.metadata.name === agentSecretName(name)) {
      this.enqueue(name);
    }
  }

  #onObjectChanged(kind: string, change: ObjectChange<KubeObject>): void {
    const managed = this.#findOwner(change);
    if (!managed) return;
    if (!change.now) managed.reconciler.forgetWrite(kind);
    this.enqueue(managed.device.name, { afterMs: CHANGE_DELAY_MS });
  }

  /** Returns the device that an object was made for, by its label. */
  #findOwner(
    { now, old }: ObjectChange<KubeObject>,
  ): ManagedDevice | undefined {
    const name = (now ?? old)?.metadata.labels?.[NAME_LABEL];
    return name === undefined ? undefined : this.#devices.get(name);
  }

  #add(edge: EdgeDevice): ManagedDevice {
    const { name } = edge.metadata;
    const managed = new ManagedDevice(edge, {
      context: this.#context,
      heartbeats: this.#heartbeats,
      onVirtualPodChanged: () =>
        this.enqueue(name, { afterMs: CHANGE_DELAY_MS }),
    });
    this.#devices.set(name, managed);
    this.#addedMs = this.#context.clock.monotonicMs();
    return managed;
  }

  /** Removes a device from the registry and closes it in the background. */
  #remove(name: string, reason: string): void {
    const managed = this.#devices.get(name);
    if (!managed) return;
    this.#devices.delete(name);
    this.#queue.forget(name);
    const closing: Promise<void> = managed.close(reason).catch((error) =>
      this.#context.log.error("device could not be closed", {
        device: name,
        error,
      })
    ).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const managed = this.#devices.get(name);
    if (!managed) {
      const { kube, log } = this.#context;
      return await removeOrphans(name, { kube, log, signal });
    }
    const afterMs = await managed.sync(signal);
    if (afterMs !== undefined) this.enqueue(name, { afterMs });
  }
}

/**
 * Returns whether the metadata that clients set are the same; versions and managed fields don't
 * matter.
 */
function isSameMetadata(left: KubeObject, right: KubeObject): boolean {
  const toText = ({ metadata }: KubeObject) =>
    JSON.stringify([
      metadata.uid,
      metadata.labels,
      metadata.annotations,
      metadata.ownerReferences,
      metadata.finalizers,
      metadata.deletionTimestamp,
    ]);
  return toText(left) === toText(right);
}

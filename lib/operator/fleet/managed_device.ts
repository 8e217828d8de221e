// SPDX-License-Identifier: Apache-2.0
/** One device of the registry. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  Device,
  type DeviceContext,
  DeviceReconciler,
  tearDown,
  type TeardownState,
} from "../device/mod.ts";
import type { EdgeDevice } from "../kube/mod.ts";
import { type PodSubscription, refKey } from "../pods/mod.ts";
import type { LeaseRenewer } from "./lease_renewer.ts";

/** Renewals of Leases, as far as one device needs them. */
export type Heartbeats = Pick<LeaseRenewer, "start" | "stop">;

/** Options of {@linkcode ManagedDevice}. */
export interface ManagedDeviceOptions {
  context: DeviceContext;
  heartbeats: Heartbeats;
  /** The virtual pod was created, changed or deleted. */
  onVirtualPodChanged: () => void;
}

/**
 * Share of the interval by which periodic syncs are spread, so that devices don't sync together.
 */
const SYNC_SPREAD = 0.2;
/** Devices that didn't reconnect in time are synced within this time after the deadline. */
const DEADLINE_SPREAD_MS = 1000;

/**
 * A device with its reconciler, its heartbeats and the progress of its removal. Starts with its
 * construction; `close` stops everything, but leaves its objects on the API server.
 */
export class ManagedDevice {
  readonly device: Device;
  readonly reconciler: DeviceReconciler;
  readonly #context: DeviceContext;
  readonly #heartbeats: Heartbeats;
  readonly #teardown: TeardownState = {};
  readonly #subscription: PodSubscription;
  /** Whether the former leader had a link to the device until just now. */
  readonly #wasConnected: boolean;
  #isRemoved = false;

  constructor(edge: EdgeDevice, options: ManagedDeviceOptions) {
    const { context, heartbeats, onVirtualPodChanged } = options;
    this.#context = context;
    this.#heartbeats = heartbeats;
    this.device = new Device(edge, context);
    this.reconciler = new DeviceReconciler(this.device);
    const { name } = this.device;
    const { namespace, sources } = context.kube;
    const virtualPod = `${namespace}/${name}`;
    this.#subscription = sources.subscribe(name, {
      enqueue: (key) => {
        if (key !== virtualPod) return;
        if (!sources.findPod(key)) this.reconciler.forgetWrite("Pod");
        onVirtualPodChanged();
      },
    });
    this.#wasConnected = this.#readWasConnected();
    heartbeats.start(name, () => this.isAlive);
  }

  /** Whether all objects are removed, so that nothing is left to sync. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /**
   * Whether the device's agent may connect: until the EdgeDevice is being deleted, and then while
   * its pods are waited for.
   */
  get acceptsAgent(): boolean {
    return !this.isDeleting || this.#teardown.arePodsDeleted !== true;
  }

  /** Whether the EdgeDevice is being deleted. */
  get isDeleting(): boolean {
    return this.device.edge.metadata.deletionTimestamp !== undefined;
  }

  /**
   * Whether the Lease has to be renewed: the Node is the device's own, and the device is connected,
   * or it was connected to the former leader and may still reconnect.
   */
  get isAlive(): boolean {
    const { link, ownsNode } = this.device;
    return ownsNode && (link.isUp ||
      (this.#wasConnected && link.offlineSinceMs === undefined &&
        this.#msUntilReconnectDeadline() > 0));
  }

  /**
   * Reconciles the device's objects, or removes them when the EdgeDevice is being deleted.
   * @returns when to sync again although nothing changes, in milliseconds; undefined: not at all
   * @throws {AranyaError} what kept it from being completed
   */
  async sync(signal: AbortSignal): Promise<number | undefined> {
    if (this.#isRemoved) return undefined;
    if (this.isDeleting) {
      this.#heartbeats.stop(this.device.name);
      this.#isRemoved = await tearDown(this.device, {
        state: this.#teardown,
        objects: this.reconciler,
        signal,
      });
      return undefined;
    }
    this.#followEndpointSecret();
    await this.reconciler.reconcile(signal);
    return this.#nextSyncMs();
  }

  /** Syncs the device when the Secret of `tlsSecretRef` changes. */
  #followEndpointSecret(): void {
    const { namespace } = this.#context.kube;
    const { edge, name: device } = this.device;
    const { tlsSecretRef } = edge.spec?.connectivity?.grpcConfig ?? {};
    // As if the virtual pod referred to it.
    this.#subscription.setRefs(
      `${namespace}/${device}`,
      tlsSecretRef
        ? [refKey("Secret", { namespace, name: tlsSecretRef.name })]
        : [],
    );
  }

  /** Stops everything and frees what other devices may use. Rejects only by a defect. */
  async close(reason: string): Promise<void> {
    this.#subscription.close();
    const { name } = this.device;
    this.#heartbeats.stop(name);
    this.#context.addresses.release(name);
    this.#context.kubelets.release(name);
    await this.device.close(new AranyaError("unavailable", reason));
  }

  /**
   * At the reconnect deadline the status may change without an event; later at the usual interval.
   */
  #nextSyncMs(): number {
    const { link, settings } = this.device;
    const remainingMs = this.#msUntilReconnectDeadline();
    return remainingMs > 0 && !link.isUp
      ? remainingMs + Math.random() * DEADLINE_SPREAD_MS
      : settings.forceSyncMs * (1 - SYNC_SPREAD * Math.random());
  }

  #msUntilReconnectDeadline(): number {
    const { clock, operator } = this.#context;
    return operator.reconnectDeadlineMs - clock.monotonicMs();
  }

  /**
   * Whether the Lease is fresh is decided by the cluster's node controller: it sets the Node's
   * Ready to Unknown when the Lease lapses. The time in the Lease is that of another machine's
   * clock.
   */
  #readWasConnected(): boolean {
    const { kube: { namespace, stores } } = this.#context;
    const { name } = this.device;
    const node = stores.nodes.get(name);
    const ready = node?.status?.conditions?.find(({ type }) =>
      type === "Ready"
    );
    const isConnected = stores.edges.get(`${namespace}/${name}`)?.status
      ?.conditions?.some(({ type, status }) =>
        type === "Connected" && status === "True"
      ) ?? false;
    return isConnected && node !== undefined && ready?.status !== "Unknown";
  }
}

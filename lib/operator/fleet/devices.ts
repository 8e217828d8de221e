// SPDX-License-Identifier: Apache-2.0
/** All devices of the namespace: which there are, and who is looked at when. */
import { AranyaError, KeyedQueue } from "../../shared/base/mod.ts";
import {
  Device,
  type DeviceContext,
  DeviceObjects,
  LEASE_SECONDS,
  NAME_LABEL,
  type Teardown,
  tearDown,
} from "../device/mod.ts";
import type {
  EdgeDevice,
  Informer,
  KubeObject,
  Lease,
  Node,
} from "../kube/mod.ts";

interface Entry {
  device: Device;
  objects: DeviceObjects;
  teardown: Teardown;
  /** Deleted; nothing more is done for it. */
  over: boolean;
  unsubscribe: () => void;
}

/** Options of {@linkcode createDevices}. */
export interface DevicesOptions {
  /** Everything but `wake`, which is ours. */
  context: Omit<DeviceContext, "wake">;
  /** Devices set up at the same time. @default 16 */
  concurrency?: number;
  /** Some device came, went or changed its end point. */
  onChange?: () => void;
}

/** The devices of one leader's term. */
export interface Devices extends AsyncDisposable {
  find(device: string): Device | undefined;
  /** Whether devices are being set up, or were within the last seconds. */
  readonly busy: boolean;
  readonly size: number;
  /** Devices whose link is up. */
  readonly connectedCount: number;
  /** End points that the devices dial. */
  endpoints(): string[];
}

/** What others wrote is looked at together. */
const CHANGE_DELAY_MS = 100;
/** After a new device more may come. */
const QUIET_MS = 5000;

/** Begins to watch. The stores must be synced. */
export function createDevices(options: DevicesOptions): Devices {
  return new LivingDevices(options);
}

class LivingDevices implements Devices {
  readonly #context: DeviceContext;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: KeyedQueue;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #onChange: () => void;
  readonly #closing = new Set<Promise<void>>();
  #addedMs = -Infinity;

  constructor({ context, concurrency, onChange }: DevicesOptions) {
    this.#context = {
      ...context,
      wake: (device, wakeOptions) => this.#queue.add(device, wakeOptions),
    };
    this.#onChange = onChange ?? (() => {});
    this.#queue = new KeyedQueue({
      concurrency: concurrency ?? 16,
      work: (name, signal) => this.#look(name, signal),
      onError: (name, { error, retryMs }) =>
        context.log.warn("device is not right yet", {
          device: name,
          error,
          ms: Math.round(retryMs),
        }),
    });
    this.#watch();
  }

  get busy(): boolean {
    const { clock } = this.#context;
    return this.#queue.size > 0 ||
      clock.monotonicMs() - this.#addedMs < QUIET_MS;
  }

  get size(): number {
    return this.#entries.size;
  }

  get connectedCount(): number {
    let count = 0;
    for (const { device } of this.#entries.values()) {
      if (device.link.up) count++;
    }
    return count;
  }

  find(device: string): Device | undefined {
    const entry = this.#entries.get(device);
    if (!entry || entry.device.edge.metadata.deletionTimestamp) {
      return undefined;
    }
    return entry.device;
  }

  endpoints(): string[] {
    return [...this.#entries.values()].map(({ device }) =>
      device.settings.endpoint
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#unsubscribe) stop();
    await this.#queue[Symbol.asyncDispose]();
    for (const name of [...this.#entries.keys()]) {
      this.#drop(
        name,
        `Cannot go on with device "${name}": its operator is shutting down`,
      );
    }
    await Promise.allSettled(this.#closing);
  }

  #watch(): void {
    const { edges, nodes, leases, secrets, services, slices } =
      this.#context.stores;
    this.#unsubscribe.push(
      edges.onChange(({ now, old }) => this.#onEdge(now, old), {
        replay: true,
      }),
      nodes.onChange(({ key, now }) => this.#onNode(key, now)),
      leases.onChange(({ now, old }) => this.#onLease(now, old)),
      secrets.onChange(({ now, old }) => this.#onSecret(now, old)),
    );
    const owned = (informer: Informer<KubeObject>, kind: string) =>
      informer.onChange(({ now, old }) => this.#onOwned(kind, { now, old }));
    this.#unsubscribe.push(
      owned(services as Informer<KubeObject>, "Service"),
      owned(slices as unknown as Informer<KubeObject>, "EndpointSlice"),
    );
  }

  #onEdge(now: EdgeDevice | undefined, old: EdgeDevice | undefined): void {
    const name = (now ?? old)?.metadata.name;
    if (name === undefined) return;
    const entry = this.#entries.get(name);
    const replaced = entry && now &&
      entry.device.edge.metadata.uid !== now.metadata.uid;
    if (entry && (!now || replaced)) {
      this.#drop(
        name,
        `Cannot go on with device "${name}": its EdgeDevice was deleted`,
      );
    }
    if (now) {
      const held = this.#entries.get(name) ?? this.#add(now);
      held.device.edge = now;
      // Our own status writes come back as changes that need no look.
      const same = old && old.metadata.generation === now.metadata.generation &&
        sameMarks(old, now);
      this.#queue.add(name, same ? { afterMs: CHANGE_DELAY_MS } : {});
    }
    this.#onChange();
  }

  #onNode(name: string, now: Node | undefined): void {
    if (!now) this.#entries.get(name)?.objects.forget("Node");
    if (this.#entries.has(name)) {
      this.#queue.add(name, { afterMs: CHANGE_DELAY_MS });
    }
  }

  #onLease(now: Lease | undefined, old: Lease | undefined): void {
    // Renewals are most of what happens here; they change nothing.
    if (now && old && sameMarks(now, old)) return;
    this.#onOwned("Lease", { now, old });
  }

  #onSecret(now: KubeObject | undefined, old: KubeObject | undefined): void {
    const name = deviceOf(now ?? old);
    const entry = name === undefined ? undefined : this.#entries.get(name);
    if (!entry) return;
    const key = old?.metadata.name;
    if (
      !now && key === `${name}-agent` && !entry.over &&
      !entry.device.edge.metadata.deletionTimestamp
    ) {
      this.#context.log.info("credential was revoked by deleting its secret", {
        device: entry.device.name,
      });
      entry.objects.forget("Secret");
      entry.device.revoke();
    }
    if (!now) entry.objects.forget("Secret");
    this.#queue.add(entry.device.name, { afterMs: CHANGE_DELAY_MS });
  }

  #onOwned(
    kind: string,
    { now, old }: { now: KubeObject | undefined; old: KubeObject | undefined },
  ): void {
    const name = deviceOf(now ?? old);
    const entry = name === undefined ? undefined : this.#entries.get(name);
    if (!entry) return;
    if (!now) entry.objects.forget(kind);
    this.#queue.add(entry.device.name, { afterMs: CHANGE_DELAY_MS });
  }

  #add(edge: EdgeDevice): Entry {
    const { name } = edge.metadata;
    const context = this.#context;
    const device = new Device(edge, context);
    const objects = new DeviceObjects(device);
    const podKey = `${context.namespace}/${name}`;
    const subscription = context.sources.subscribe(name, (key) => {
      if (key !== podKey) return;
      if (!context.sources.findPod(key)) objects.forget("Pod");
      this.#queue.add(name, { afterMs: CHANGE_DELAY_MS });
    });
    const fresh = this.#wasFresh(name);
    context.heartbeats.start(
      name,
      () =>
        device.link.up ||
        (fresh && device.link.offlineSinceMs === undefined &&
          context.clock.monotonicMs() < context.graceUntilMs),
    );
    const entry: Entry = {
      device,
      objects,
      teardown: {},
      over: false,
      unsubscribe: () => subscription.close(),
    };
    this.#entries.set(name, entry);
    this.#addedMs = context.clock.monotonicMs();
    return entry;
  }

  /** Whether a former leader renewed the device's Lease just before us. */
  #wasFresh(name: string): boolean {
    const { stores, clock } = this.#context;
    const lease = stores.leases.get(`kube-node-lease/${name}`);
    const renewedMs = Date.parse(lease?.spec?.renewTime ?? "");
    const connected = stores.edges.get(`${this.#context.namespace}/${name}`)
      ?.status?.conditions?.some(({ type, status }) =>
        type === "Connected" && status === "True"
      ) ?? false;
    return connected && clock.wallMs() - renewedMs < LEASE_SECONDS * 1000;
  }

  #drop(name: string, reason: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    this.#entries.delete(name);
    this.#queue.forget(name);
    entry.unsubscribe();
    const { heartbeats, addresses, kubelets } = this.#context;
    heartbeats.stop(name);
    addresses.release(name);
    kubelets.release(name);
    const closing: Promise<void> = entry.device.close(
      new AranyaError("unavailable", reason),
    ).catch((error) =>
      this.#context.log.error("device was not closed well", {
        device: name,
        error,
      })
    ).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #look(name: string, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(name);
    if (!entry || entry.over) return;
    const { device, objects, teardown } = entry;
    if (device.edge.metadata.deletionTimestamp !== undefined) {
      this.#context.heartbeats.stop(name);
      entry.over = await tearDown(device, {
        state: teardown,
        latest: (kind, stored) => objects.latest(kind, stored),
        signal,
      });
      return;
    }
    await objects.reconcile(signal);
    this.#planNextLook(device);
  }

  /** What no change will tell of: the end of the grace, and the regular comparison. */
  #planNextLook({ name, settings, link }: Device): void {
    const { clock, graceUntilMs } = this.#context;
    const restMs = graceUntilMs - clock.monotonicMs();
    const waiting = restMs > 0 && !link.up;
    this.#queue.add(name, {
      afterMs: waiting
        ? restMs + Math.random() * 1000
        : settings.forceSyncMs * (0.8 + 0.2 * Math.random()),
    });
  }
}

function deviceOf(object: KubeObject | undefined): string | undefined {
  return object?.metadata.labels?.[NAME_LABEL];
}

/** Whether what people set on an object is the same. */
function sameMarks(left: KubeObject, right: KubeObject): boolean {
  const marks = ({ metadata }: KubeObject) =>
    JSON.stringify([
      metadata.uid,
      metadata.labels,
      metadata.annotations,
      metadata.ownerReferences,
      metadata.finalizers,
      metadata.deletionTimestamp,
    ]);
  return marks(left) === marks(right);
}

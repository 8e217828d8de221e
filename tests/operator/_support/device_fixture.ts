// SPDX-License-Identifier: Apache-2.0
/** A device against a real API server with real informers, without an operator around it. */
import {
  NO_METER,
  Scope,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import {
  createDeviceLimits,
  Device,
  type DeviceContext,
  DeviceReconciler,
  type DeviceSettings,
  LEASE_NAMESPACE,
  ROLE_LABEL,
} from "../../../lib/operator/device/mod.ts";
import {
  createEventRecorder,
  EDGE_DEVICE,
  type EdgeDevice,
  type EdgeDeviceSpec,
  type EdgeDeviceStatus,
  ENDPOINT_SLICE,
  type KubeObject,
  LEASE,
  NODE,
  type ObjectRef,
  type ObjectType,
  POD,
  SECRET,
  SERVICE,
} from "../../../lib/operator/kube/mod.ts";
import type { KubeletServer } from "../../../lib/operator/kubelet/mod.ts";
import { PodAddressBook } from "../../../lib/operator/fleet/address_book.ts";
import { FleetStores } from "../../../lib/operator/fleet/stores.ts";
import {
  createSession,
  greetAsAgent,
  type SessionHandlers,
} from "../../../lib/shared/session/mod.ts";
import {
  createMemoryLinks,
  type MemoryLinks,
} from "../../shared/session/_support/memory_link.ts";
import { CountingApi, toKey } from "./counting_api.ts";
import { ShiftedClock } from "./shifted_clock.ts";
import { until } from "../../../dev/base/wait.ts";

/** Settings of every device of the fixture. */
export const SETTINGS: DeviceSettings = {
  requestTimeoutMs: 5000,
  offlineAfterMs: 40_000,
  podSyncMs: 600_000,
  forceSyncMs: 600_000,
  endpoints: ["10.0.0.7:9443"],
  hasAllEndpoints: true,
  ignored: [],
  insecure: false,
  backoff: { initialDelayMs: 1000, maxDelayMs: 60_000, factor: 1.5 },
};

/** A namespace of its own on the API server, and everything that a `Device` depends on. */
export class DeviceFixture implements AsyncDisposable {
  readonly api: CountingApi;
  /** Namespace and name of the EdgeDevice, its Service and its virtual pod. */
  readonly ref: { namespace: string; name: string };
  readonly scope = new Scope();
  /** The clock of devices; a test may put it forward. */
  readonly clock = new ShiftedClock();
  readonly stores: FleetStores;
  readonly addresses: PodAddressBook;
  readonly context: DeviceContext;
  /** Names of devices that were enqueued, in order. */
  readonly enqueued: string[] = [];

  private constructor(api: CountingApi, reconnectGraceMs: number) {
    this.api = api;
    const { namespace, name } = api;
    this.ref = { namespace, name };
    this.stores = this.scope.use(
      new FleetStores({
        client: this.api,
        namespace,
        tenantNamespaces: [],
        log: SILENT_LOGGER,
      }),
    );
    this.addresses = new PodAddressBook({ seed: namespace });
    this.context = {
      kube: {
        client: this.api,
        namespace,
        stores: this.stores.devices,
        sources: this.stores.sources,
        podClient: this.stores.podClient,
        events: this.scope.use(
          createEventRecorder({ client: this.api, log: SILENT_LOGGER }),
        ),
      },
      operator: {
        version: "0.1.0",
        kubeletVersion: "v1.34.0",
        addresses: ["10.0.0.7"],
        grpcPort: 9443,
        ca: "CA\n",
        reconnectDeadlineMs: performance.now() + reconnectGraceMs,
      },
      settings: {
        of: () => SETTINGS,
        renderAgentYaml: ({ device, ca }) => `device: ${device}\nca: ${ca}`,
      },
      addresses: this.addresses,
      kubelets: {
        open: (_device, { wantedPort }) =>
          Promise.resolve(fakeServer(wantedPort ?? 20_000)),
        requestCertificate() {},
        certificateProblems: () => [],
        release() {},
      },
      queue: { enqueue: (device) => void this.enqueued.push(device) },
      limits: createDeviceLimits({ clock: this.clock }),
      log: SILENT_LOGGER,
      meter: NO_METER,
      clock: this.clock,
    };
  }

  /** Creates the namespace and resolves once every informer has its first list. */
  static async start(
    options: { reconnectGraceMs?: number } = {},
  ): Promise<DeviceFixture> {
    const fixture = new DeviceFixture(
      await CountingApi.open(),
      options.reconnectGraceMs ?? 0,
    );
    await fixture.stores.synced();
    return fixture;
  }

  /** Writes an EdgeDevice and makes a `Device` for it. */
  async createDevice(
    given: {
      spec?: EdgeDeviceSpec;
      status?: EdgeDeviceStatus;
      annotations?: Record<string, string>;
    } = {},
  ): Promise<{ device: Device; reconciler: DeviceReconciler }> {
    const { annotations = {}, ...rest } = given;
    const edge = await this.api.putObject(EDGE_DEVICE, {
      spec: {},
      ...rest,
      metadata: { ...this.ref, annotations },
    });
    return this.openDevice(edge);
  }

  /** Makes a `Device` for an EdgeDevice that exists, as a newly started operator does. */
  openDevice(
    edge: EdgeDevice,
  ): { device: Device; reconciler: DeviceReconciler } {
    const device = this.scope.use(new Device(edge, this.context));
    return { device, reconciler: new DeviceReconciler(device) };
  }

  /** Resolves once the informers hold the present version of each of the device's objects. */
  async waitForInformers(): Promise<void> {
    const { edges, nodes, leases, secrets, services, slices } =
      this.stores.devices;
    const { sources } = this.stores;
    const { namespace, name } = this.ref;
    const kept: [ObjectType<KubeObject>, ObjectRef, StoreView][] = [
      [EDGE_DEVICE, this.ref, edges],
      [NODE, { name }, nodes],
      [LEASE, { namespace: LEASE_NAMESPACE, name }, leases],
      [SECRET, { namespace, name: `${name}-agent` }, secrets],
      [SERVICE, this.ref, services],
      [ENDPOINT_SLICE, this.ref, slices],
      [POD, this.ref, { get: (key) => sources.findPod(key) }],
    ];
    await Promise.all(kept.map(async ([type, ref, store]) => {
      const key = toKey(ref);
      // Read again on each poll: background work may write meanwhile.
      await until(async () => {
        const found = await this.api.find(type, ref);
        // The stores select all other kinds by label.
        const isSelected = type === EDGE_DEVICE || type === POD ||
          found?.metadata.labels?.[ROLE_LABEL] !== undefined;
        const current = isSelected ? found : undefined;
        return store.get(key)?.metadata.resourceVersion ===
          current?.metadata.resourceVersion;
      }, `${type.kind} in its store`);
    }));
  }

  /** Connects an agent to the device; it stays until its link ends. */
  async connectAgent(
    device: Device,
    options: AgentOptions = {},
  ): Promise<FakeAgent> {
    const links = createMemoryLinks({ clock: SYSTEM_CLOCK });
    const session = this.scope.use(createSession({
      side: "agent",
      handlers: options.handlers ?? ACCEPTING_HANDLERS,
      log: SILENT_LOGGER,
    }));
    if (!device.findKeys()) device.credential.adopt(undefined);
    const accepted = device.accept({
      link: links.operator,
      key: options.key ?? device.findKeys()?.key ?? new Uint8Array(),
    });
    const greeting = await greetAsAgent(links.agent, {
      session,
      capabilities: ["pods.v1", "exec"],
      agentVersion: "0.1.0",
      machineId: options.machineId ?? "machine-1",
      bootId: "boot-1",
    });
    const running = session.run(links.agent, greeting);
    return { links, session, ended: Promise.all([accepted, running]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope.close();
    await this.api[Symbol.asyncDispose]();
  }
}

/** Options of {@linkcode DeviceFixture.connectAgent}. */
export interface AgentOptions {
  /** @default "machine-1" */
  machineId?: string;
  /** @default {@linkcode ACCEPTING_HANDLERS} */
  handlers?: SessionHandlers;
  /** The key that the agent proved to have. @default the device's present one */
  key?: Uint8Array;
}

/** The agent's end of a link to a `Device`. */
export interface FakeAgent {
  links: MemoryLinks;
  session: ReturnType<typeof createSession>;
  /** Resolves when both ends have stopped. */
  ended: Promise<unknown>;
}

/** Answers every request with success and no payload; refuses streams. */
export const ACCEPTING_HANDLERS: SessionHandlers = {
  request: () => Promise.resolve(new Uint8Array()),
  stream: () => Promise.reject(new Error("unexpected stream")),
};

function fakeServer(port: number): KubeletServer {
  return {
    port,
    setTls() {},
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

interface StoreView {
  get(key: string): KubeObject | undefined;
}

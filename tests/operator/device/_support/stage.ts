// SPDX-License-Identifier: Apache-2.0
/** A device with everything around it but an operator: a real API server, real informers, and a link on request. */
import {
  createScope,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../../lib/shared/base/mod.ts";
import { NO_METER } from "../../../../lib/shared/base/mod.ts";
import {
  Device,
  type DeviceContext,
  DeviceObjects,
  type DeviceSettings,
  ROLE_LABEL,
} from "../../../../lib/operator/device/mod.ts";
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
} from "../../../../lib/operator/kube/mod.ts";
import type { KubeletServer } from "../../../../lib/operator/kubelet/mod.ts";
import { createAddressBook } from "../../../../lib/operator/fleet/addresses.ts";
import {
  createStores,
  type Stores,
} from "../../../../lib/operator/fleet/stores.ts";
import {
  createSession,
  greetAsAgent,
  type SessionHandlers,
} from "../../../../lib/shared/session/mod.ts";
import {
  createMemoryLinks,
  type MemoryLinks,
} from "../../../shared/session/_support/memory_link.ts";
import { CountingApi, toKey } from "../../_support/counting_api.ts";

export const SETTINGS: DeviceSettings = {
  requestTimeoutMs: 5000,
  offlineAfterMs: 40_000,
  podSyncMs: 600_000,
  forceSyncMs: 600_000,
  endpoint: "10.0.0.7:9443",
  insecure: false,
  backoff: { initialDelayMs: 1000, maxDelayMs: 60_000, factor: 1.5 },
};

export class Stage implements AsyncDisposable {
  readonly api: CountingApi;
  /** Namespace and name of the device, its Service and its virtual pod. */
  readonly home: { namespace: string; name: string };
  readonly scope = createScope();
  readonly stores: Stores;
  readonly context: DeviceContext;
  /** Devices that were woken. */
  readonly woken: string[] = [];

  private constructor(api: CountingApi, graceMs: number) {
    this.api = api;
    const { namespace, name } = api;
    this.home = { namespace, name };
    this.stores = this.scope.use(createStores({
      client: this.api,
      namespace,
      tenantNamespaces: [],
      log: SILENT_LOGGER,
    }));
    this.context = {
      client: this.api,
      namespace,
      stores: this.stores.devices,
      sources: this.stores.sources,
      events: this.scope.use(
        createEventRecorder({ client: this.api, log: SILENT_LOGGER }),
      ),
      log: SILENT_LOGGER,
      meter: NO_METER,
      clock: SYSTEM_CLOCK,
      operatorVersion: "0.1.0",
      kubeletVersion: "v1.34.0",
      host: { addresses: ["10.0.0.7"], grpcPort: 9443 },
      authority: "CA\n",
      graceUntilMs: performance.now() + graceMs,
      addresses: createAddressBook({ seed: namespace }),
      heartbeats: { watch() {}, stop() {} },
      kubelets: {
        open: (_device, { wantedPort }) =>
          Promise.resolve(fakeServer(wantedPort ?? 20_000)),
        certify() {},
        forget() {},
      },
      settingsOf: () => SETTINGS,
      renderAgentYaml: ({ device, ca }) => `device: ${device}\nca: ${ca}`,
      wake: (device) => void this.woken.push(device),
    };
  }

  static async start(options: { graceMs?: number } = {}): Promise<Stage> {
    const stage = new Stage(await CountingApi.open(), options.graceMs ?? 0);
    await stage.stores.synced();
    return stage;
  }

  /** An EdgeDevice that is there, with a device for it. */
  async add(
    given: {
      spec?: EdgeDeviceSpec;
      status?: EdgeDeviceStatus;
      annotations?: Record<string, string>;
    } = {},
  ): Promise<{ device: Device; objects: DeviceObjects }> {
    const { annotations = {}, ...rest } = given;
    const edge = await this.api.put(EDGE_DEVICE, {
      spec: {},
      ...rest,
      metadata: { ...this.home, annotations },
    });
    return this.revive(edge);
  }

  /** A new process finds this EdgeDevice. */
  revive(edge: EdgeDevice): { device: Device; objects: DeviceObjects } {
    const device = this.scope.use(new Device(edge, this.context));
    return { device, objects: new DeviceObjects(device) };
  }

  /** Resolves when the watches have told all that there is now. */
  async settle(): Promise<void> {
    const { edges, nodes, leases, secrets, services, slices } =
      this.stores.devices;
    const { sources } = this.stores;
    const { namespace, name } = this.home;
    const agent = `${name}-agent`;
    const kept: [ObjectType<KubeObject>, ObjectRef, Look][] = [
      [EDGE_DEVICE, this.home, edges],
      [NODE, { name }, nodes],
      [LEASE, { namespace: "kube-node-lease", name }, leases],
      [SECRET, { namespace, name: agent }, secrets],
      [SERVICE, this.home, services],
      [ENDPOINT_SLICE, this.home, slices],
      [POD, this.home, { get: (key) => sources.pod(key) }],
    ];
    await Promise.all(kept.map(async ([type, ref, look]) => {
      const key = toKey(ref);
      // Asked anew at each look: what runs in the background may write meanwhile.
      await until(async () => {
        const found = await this.api.find(type, ref);
        // Of these, the stores hold only what bears our label.
        const isOurs = type === EDGE_DEVICE || type === POD ||
          found?.metadata.labels?.[ROLE_LABEL] !== undefined;
        const now = isOurs ? found : undefined;
        return look.get(key)?.metadata.resourceVersion ===
          now?.metadata.resourceVersion;
      }, `${type.kind} in its store`);
    }));
  }

  /** An agent that says hello to the device; it stays until its link ends. */
  async connect(device: Device, options: AgentOptions = {}): Promise<Agent> {
    const links = createMemoryLinks({ clock: SYSTEM_CLOCK });
    const session = this.scope.use(createSession({
      side: "agent",
      handlers: options.handlers ?? OBEDIENT,
      log: SILENT_LOGGER,
    }));
    const accepted = device.accept({
      link: links.operator,
      usedPrevious: false,
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

export interface AgentOptions {
  machineId?: string;
  handlers?: SessionHandlers;
}

export interface Agent {
  links: MemoryLinks;
  session: ReturnType<typeof createSession>;
  ended: Promise<unknown>;
}

/** Says yes to every request. */
export const OBEDIENT: SessionHandlers = {
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

interface Look {
  get(key: string): KubeObject | undefined;
}

/** Waits for a condition. */
export async function until(
  check: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!await check()) {
    if (performance.now() > endMs) {
      throw new Error(`not there in time: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// SPDX-License-Identifier: Apache-2.0
/** A device with everything around it but an operator: a memory API server, real informers, and a link on request. */
import {
  createScope,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../lib/base/mod.ts";
import { NO_METER } from "../../lib/base/mod.ts";
import {
  Device,
  type DeviceContext,
  DeviceObjects,
  type DeviceSettings,
} from "../../lib/device/mod.ts";
import {
  createEventRecorder,
  EDGE_DEVICE,
  type EdgeDevice,
} from "../../lib/kube/mod.ts";
import type { KubeletServer } from "../../lib/kubelet/mod.ts";
import { createAddressBook } from "../../lib/operator/addresses.ts";
import { createStores, type Stores } from "../../lib/operator/stores.ts";
import {
  createSession,
  greetAsAgent,
  type SessionHandlers,
} from "../../lib/session/mod.ts";
import { createMemoryLinks, type MemoryLinks } from "../session/memory_link.ts";
import { MemoryApi } from "./memory_api.ts";

export const SETTINGS: DeviceSettings = {
  requestTimeoutMs: 5000,
  offlineAfterMs: 40_000,
  forceSyncMs: 600_000,
  endpoint: "10.0.0.7:9443",
  insecure: false,
  backoff: { initialDelayMs: 1000, maxDelayMs: 60_000, factor: 1.5 },
};

export class Stage implements AsyncDisposable {
  readonly api = new MemoryApi();
  readonly scope = createScope();
  readonly stores: Stores;
  readonly context: DeviceContext;
  /** Devices that were woken. */
  readonly woken: string[] = [];
  graceUntilMs = 0;

  constructor(options: { graceMs?: number } = {}) {
    this.stores = this.scope.use(createStores({
      client: this.api,
      namespace: "home",
      tenantNamespaces: [],
      log: SILENT_LOGGER,
    }));
    this.context = {
      client: this.api,
      namespace: "home",
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
      graceUntilMs: performance.now() + (options.graceMs ?? 0),
      addresses: createAddressBook({ seed: "home" }),
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

  /** An EdgeDevice that is there, with a device for it. */
  async add(
    name = "edge-1",
    rest: Partial<EdgeDevice> = {},
  ): Promise<{ device: Device; objects: DeviceObjects }> {
    await this.stores.synced();
    const edge = this.api.put(EDGE_DEVICE, {
      spec: {},
      ...rest,
      metadata: { name, namespace: "home", ...rest.metadata },
    });
    return this.revive(edge);
  }

  /** A new process finds this EdgeDevice. */
  revive(edge: EdgeDevice): { device: Device; objects: DeviceObjects } {
    const device = this.scope.use(new Device(edge, this.context));
    return { device, objects: new DeviceObjects(device) };
  }

  /** Resolves when what was written has come back through the watches. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 20; turns++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
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

/** Waits for a condition. */
export async function until(check: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 5000;
  while (!check()) {
    if (performance.now() > endMs) {
      throw new Error(`not there in time: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

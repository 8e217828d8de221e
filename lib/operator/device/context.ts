// SPDX-License-Identifier: Apache-2.0
/** What all devices share and what they ask of the operator around them. */
import type { Clock, Logger, Meter } from "../../shared/base/mod.ts";
import type {
  EdgeDevice,
  EndpointSlice,
  EventRecorder,
  Informer,
  KubeClient,
  Lease,
  Node,
  Secret,
  Service,
} from "../kube/mod.ts";
import type { KubeletHandlers, KubeletServer } from "../kubelet/mod.ts";
import type { PodSources } from "../pods/mod.ts";

/** Local copies of everything that is made for devices; one watch per kind. */
export interface DeviceStores {
  edges: Informer<EdgeDevice>;
  /** Nodes of devices, those of other namespaces too. */
  nodes: Informer<Node>;
  leases: Informer<Lease>;
  secrets: Informer<Secret>;
  services: Informer<Service>;
  slices: Informer<EndpointSlice>;
}

/** A device's settings, read from its EdgeDevice. */
export interface DeviceSettings {
  /** Bound of one request to the device. */
  requestTimeoutMs: number;
  /** Silence after which it is taken for gone. */
  offlineAfterMs: number;
  /** Time between two full comparisons of the Node. */
  forceSyncMs: number;
  /** Time between two full comparisons of the pods. */
  podSyncMs: number;
  /** What the agent dials. */
  endpoint: string;
  insecure: boolean;
  backoff: { initialDelayMs: number; maxDelayMs: number; factor: number };
}

/** What agent.yaml is written from. */
export interface AgentYamlInput {
  device: string;
  settings: DeviceSettings;
  /** PEM of who signs what answers at the end point; undefined: a well-known CA or no TLS. */
  ca: string | undefined;
  credential: Uint8Array;
}

/** The range of pod addresses that a device has. */
export interface PodRange {
  /** E.g. "100.64.9.0/26". */
  cidr: string;
  /** Owner of an overlapping range; only for a range that the operator didn't pick itself. */
  overlapsWith?: string;
}

/** Ranges of pod addresses; the ranges that it picks never overlap. */
export interface AddressBook {
  /** Returns the range of a device. May be called again, also with another range. */
  claim(
    device: string,
    range: {
      /** Set by the cluster (`Node.spec.podCIDR`) or the user; undefined: a range is picked. */
      assigned?: string | undefined;
      /** The range that the device had; it is picked again when it is still free. */
      previous?: string | undefined;
    },
  ): PodRange;
  /** Frees the range of a device. May be called for a device without one. */
  release(device: string): void;
}

/** Renewals of Leases, spread over the interval. */
export interface Heartbeats {
  /** Renews the device's Lease while `isAlive` returns true. May be called again. */
  start(device: string, isAlive: () => boolean): void;
  /** Renews the device's Lease no longer. May be called twice. */
  stop(device: string): void;
}

/** Kubelet servers of all devices; each has a port of the operator's host. */
export interface KubeletServers {
  /**
   * Starts the device's server on the wanted port, or on another one when that is taken.
   * @throws {AranyaError} "conflict" when no port is free
   */
  open(
    device: string,
    options: { wantedPort: number | undefined; handlers: KubeletHandlers },
  ): Promise<KubeletServer>;
  /**
   * Obtains the device's own certificate in the background, passes it to the server and renews it.
   * May be called again.
   */
  requestCertificate(edge: EdgeDevice, server: KubeletServer): void;
  /** Frees port and certificate of a device, whose server has to be closed. May be called twice. */
  release(device: string): void;
}

/** Shared by all devices of one leading operator. */
export interface DeviceContext {
  client: KubeClient;
  /** Namespace of the EdgeDevices. */
  namespace: string;
  stores: DeviceStores;
  sources: PodSources;
  events: EventRecorder;
  log: Logger;
  meter: Meter;
  clock: Clock;
  operatorVersion: string;
  /** What Nodes show, such as "v1.34.0". */
  kubeletVersion: string;
  /** Addresses of the host, preferred first, and the port of the one gRPC listener. */
  host: { addresses: string[]; grpcPort: number };
  /** PEM of the operator's own CA. */
  authority: string;
  /** Devices found connected at the start have until then to come back, on the clock's monotonic time. */
  graceUntilMs: number;
  addresses: AddressBook;
  heartbeats: Heartbeats;
  kubelets: KubeletServers;
  settingsOf(edge: EdgeDevice): DeviceSettings;
  renderAgentYaml(input: AgentYamlInput): string;
  /** Has a device reconciled. */
  wake(device: string, options?: { afterMs?: number }): void;
}

// SPDX-License-Identifier: Apache-2.0
/** What devices depend on; shared by all devices of one leader. */
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
import type { PodClient, PodSources } from "../pods/mod.ts";
import type { DeviceLimits } from "./limits.ts";
import type { IgnoredSetting, ProblemCondition } from "./problems.ts";

/** Dependencies of each device. */
export interface DeviceContext {
  readonly kube: DeviceKube;
  readonly operator: OperatorInfo;
  readonly settings: SettingsSource;
  readonly addresses: AddressBook;
  readonly kubelets: KubeletServers;
  readonly queue: SyncQueue;
  readonly limits: DeviceLimits;
  readonly log: Logger;
  readonly meter: Meter;
  readonly clock: Clock;
}

/** Access to the API server. */
export interface DeviceKube {
  readonly client: KubeClient;
  /** Namespace of the EdgeDevices. */
  readonly namespace: string;
  readonly stores: DeviceStores;
  /** Pods, and what their specs refer to. */
  readonly sources: PodSources;
  /** For calls about pods. */
  readonly podClient: PodClient;
  readonly events: EventRecorder;
}

/**
 * Local copies of EdgeDevices and of the objects that are made for them; one watch for each kind.
 */
export interface DeviceStores {
  readonly edges: Informer<EdgeDevice>;
  /** Nodes of devices, in other namespaces too. */
  readonly nodes: Informer<Node>;
  readonly leases: Informer<Lease>;
  readonly secrets: Informer<Secret>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
}

/** What devices report about this operator. Constant while it leads. */
export interface OperatorInfo {
  readonly version: string;
  /** What Nodes report, e.g. "v1.34.0". */
  readonly kubeletVersion: string;
  /** Addresses of the operator's host, preferred first. */
  readonly addresses: string[];
  /** Port of the gRPC listener. */
  readonly grpcPort: number;
  /** PEM of the operator's own CA, and of those that it replaces or that replace it. */
  readonly ca: string;
  /**
   * Until then a device that was connected to the former leader still counts as connected, on the
   * clock's monotonic time.
   */
  readonly reconnectDeadlineMs: number;
}

/** A device's settings, read from its EdgeDevice. */
export interface DeviceSettings {
  /** Timeout of one request to the device. */
  requestTimeoutMs: number;
  /** The device counts as offline after this long without a link. */
  offlineAfterMs: number;
  /** Interval between two full comparisons of the device's objects. */
  forceSyncMs: number;
  /** Interval between two full comparisons of its pods. */
  podSyncMs: number;
  /** "host:port" that the agent connects to; several when several operators may lead. */
  endpoints: readonly string[];
  /** Whether these are all, so that the agent may forget others. */
  hasAllEndpoints: boolean;
  /** Values of the EdgeDevice that can't be read, so that the defaults are used. */
  ignored: readonly IgnoredSetting[];
  /** Whether the agent connects without TLS. */
  insecure: boolean;
  /** The agent's delays between attempts to connect. */
  backoff: { initialDelayMs: number; maxDelayMs: number; factor: number };
}

/** What agent.yaml is rendered from. */
export interface AgentYamlInput {
  /** Name of the device. */
  device: string;
  settings: DeviceSettings;
  /** PEM of the CA of the endpoint's certificate; undefined: a public CA, or no TLS. */
  ca: string | undefined;
  /** The device's key. */
  credential: Uint8Array;
}

/** Turns an EdgeDevice into settings, and settings into agent.yaml. */
export interface SettingsSource {
  /** Returns the settings of a device, with defaults. Never throws. */
  of(edge: EdgeDevice): DeviceSettings;
  /** Returns the text of agent.yaml. */
  renderAgentYaml(input: AgentYamlInput): string;
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
  /**
   * Returns the range of a device; undefined when none is assigned and none is free. May be called
   * again, also with another range.
   */
  claim(
    device: string,
    range: {
      /** Set by the cluster (`Node.spec.podCIDR`) or the user; undefined: a range is picked. */
      assigned?: string | undefined;
      /** The range that the device had; it is picked again when it is still free. */
      previous?: string | undefined;
    },
  ): PodRange | undefined;
  /** Frees the range of a device. May be called for a device without one. */
  release(device: string): void;
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
  /** Returns the problems with the certificate that the device's server has. */
  certificateProblems(device: string): readonly ProblemCondition[];
  /** Frees port and certificate of a device, whose server has to be closed. May be called twice. */
  release(device: string): void;
}

/** Queue of the devices to reconcile. */
export interface SyncQueue {
  /** Enqueues a device, at once or after a delay in milliseconds; an earlier time wins. */
  enqueue(device: string, options?: { afterMs?: number }): void;
}

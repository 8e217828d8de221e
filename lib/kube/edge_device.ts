// SPDX-License-Identifier: Apache-2.0
/** Our own resource: EdgeDevice of aranya.arhat.dev/v1alpha1. manifests/ holds its schema; both must agree. */
import type { Condition, KubeObject, Taint } from "./objects.ts";

/** One device at the edge. */
export interface EdgeDevice extends KubeObject {
  spec?: EdgeDeviceSpec;
  status?: EdgeDeviceStatus;
}

/** What is wanted of a device. Durations are Kubernetes texts such as "1m30s". */
export interface EdgeDeviceSpec {
  connectivity?: ConnectivitySpec;
  node?: {
    cert?: CertInfo;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    taints?: Taint[];
    timers?: { forceSyncInterval?: string };
  };
  /** Where early aranya had `node.cert`. */
  certInfo?: CertInfo;
  pod?: {
    /** Most pods besides the virtual one. */
    allocatable?: number;
    /** Range of the device's pods' addresses. */
    cidr?: string;
    dns?: { servers?: string[]; searches?: string[]; options?: string[] };
    timers?: { forceSyncInterval?: string };
  };
}

/** How the device reaches the operator. */
export interface ConnectivitySpec {
  method?: "grpc" | "mqtt";
  timers?: { unarySessionTimeout?: string; offlineAfter?: string };
  backoff?: { initialDelay?: string; maxDelay?: string; factor?: number };
  grpcConfig?: {
    /** host:port as the device sees it. */
    endpoint?: string;
    tlsSecretRef?: { name: string };
    insecure?: boolean;
  };
  mqttConfig?: MqttConfig;
}

/** The broker between device and operator. */
export interface MqttConfig {
  server?: string;
  broker?: string;
  messageNamespace?: string;
  topicNamespace?: string;
  version?: "3.1.1" | "5";
  transport?: "tcp" | "websocket";
  tlsSecretRef?: { name: string };
  userPassRef?: { name: string };
  clientID?: string;
  keepaliveInterval?: string | number;
  maxPayloadSize?: number;
}

/** Subject of the kubelet's certificate. */
export interface CertInfo {
  country?: string;
  state?: string;
  locality?: string;
  org?: string;
  orgUnit?: string;
}

/** What is true of a device. */
export interface EdgeDeviceStatus {
  conditions?: Condition[];
  observedGeneration?: number;
  /** Whether the link is up; printer column. */
  connected?: boolean;
  /** Transport in use; printer column. */
  connectivity?: string;
  agentVersion?: string;
  /** When the link last came up or went down. */
  lastTransitionTime?: string;
  /** host:port of the device's kubelet server. */
  kubeletEndpoint?: string;
  /** Range of pod addresses in use. */
  podCIDR?: string;
  /** What the device reported last. */
  reported?: ReportedFacts;
}

/** The device's digital twin: its last report. */
export interface ReportedFacts {
  os?: string;
  arch?: string;
  kernelVersion?: string;
  osImage?: string;
  machineID?: string;
  bootID?: string;
  hostname?: string;
  runtimeVersion?: string;
  addresses?: string[];
  cpu?: string;
  memory?: string;
  storage?: string;
  protocolVersion?: number;
  capabilities?: string[];
  host?: {
    exec?: boolean;
    attach?: boolean;
    logs?: boolean;
    portForward?: boolean;
  };
}

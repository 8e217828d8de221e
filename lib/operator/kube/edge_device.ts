// SPDX-License-Identifier: Apache-2.0
/**
 * Our own resource: EdgeDevice of aranya.arhat.dev/v1alpha1. manifests/ holds its schema; both must
 * agree.
 */
import type { Condition, KubeObject, Taint } from "./objects.ts";

/** One device at the edge. */
export interface EdgeDevice extends KubeObject {
  /** What is wanted. */
  spec?: EdgeDeviceSpec;
  /** What is true. */
  status?: EdgeDeviceStatus;
}

/** What is wanted of a device. Durations are Kubernetes texts such as "1m30s". */
export interface EdgeDeviceSpec {
  /** How the device is reached. */
  connectivity?: ConnectivitySpec;
  /** What the Node shows. */
  node?: {
    cert?: CertInfo;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    taints?: Taint[];
    timers?: { forceSyncInterval?: string };
  };
  /** Where early aranya had `node.cert`. */
  certInfo?: CertInfo;
  /** What pods get. */
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
  /** Transport. @default "grpc" */
  method?: "grpc" | "mqtt";
  /** Bounds of one request, and of silence. */
  timers?: { unarySessionTimeout?: string; offlineAfter?: string };
  /** Between two tries of the agent to connect. */
  backoff?: { initialDelay?: string; maxDelay?: string; factor?: number };
  /** Of method grpc. */
  grpcConfig?: {
    /** host:port as the device sees it. */
    endpoint?: string;
    tlsSecretRef?: { name: string };
    insecure?: boolean;
  };
  /** Of method mqtt. */
  mqttConfig?: MqttConfig;
}

/** The broker between device and operator. */
export interface MqttConfig {
  /** host:port of the broker. */
  server?: string;
  /** Another name of `server`, of later versions. */
  broker?: string;
  /** Prefix of all topics, equal on both sides. */
  messageNamespace?: string;
  /** Another name of `messageNamespace`. */
  topicNamespace?: string;
  /** Version of MQTT. */
  version?: "3.1.1" | "5";
  /** What MQTT runs on. */
  transport?: "tcp" | "websocket";
  /** Secret with tls.crt, tls.key and ca.crt. */
  tlsSecretRef?: { name: string };
  /** Secret with username and password. */
  userPassRef?: { name: string };
  /** Name towards the broker. */
  clientID?: string;
  /** Between two signs of life. */
  keepaliveInterval?: string | number;
  /** Of one message, in bytes. */
  maxPayloadSize?: number;
}

/** Subject of the kubelet's certificate. */
export interface CertInfo {
  /** C */
  country?: string;
  /** ST */
  state?: string;
  /** L */
  locality?: string;
  /** O; left out of kubelet-serving requests. */
  org?: string;
  /** OU */
  orgUnit?: string;
}

/** What is true of a device. */
export interface EdgeDeviceStatus {
  /** Connected, Ready and others. */
  conditions?: Condition[];
  /** Generation of the spec that this status is about. */
  observedGeneration?: number;
  /** What the agent says that it is; printer column. */
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
  /** Go's name, e.g. "linux". */
  os?: string;
  /** Go's name, e.g. "arm64". */
  arch?: string;
  /** As uname tells it. */
  kernelVersion?: string;
  /** Name of the distribution. */
  osImage?: string;
  /** Stays over restarts. */
  machineID?: string;
  /** Another one after each start. */
  bootID?: string;
  /** The device's own name. */
  hostname?: string;
  /** E.g. "docker://20.10.24". */
  runtimeVersion?: string;
  /** Folder of the engine's images and volumes. */
  runtimeRoot?: string;
  /** Of the device itself, preferred first. */
  addresses?: string[];
  /** Quantity. */
  cpu?: string;
  /** Quantity. */
  memory?: string;
  /** Quantity. */
  storage?: string;
  /** Of the wire protocol. */
  protocolVersion?: number;
  /** What the agent can do. */
  capabilities?: string[];
  /** What the owner allows on the host itself. */
  host?: {
    exec?: boolean;
    attach?: boolean;
    logs?: boolean;
    portForward?: boolean;
  };
}

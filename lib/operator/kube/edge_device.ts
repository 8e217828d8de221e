// SPDX-License-Identifier: Apache-2.0
/**
 * EdgeDevice of aranya.arhat.dev/v1alpha1, the custom resource of this project. Its schema is
 * manifests/cluster/crd.yaml; both must agree.
 */
import type { Condition, KubeObject, Taint } from "./objects.ts";

/** One machine at the edge; the operator of its namespace makes it a Node of the cluster. */
export interface EdgeDevice extends KubeObject {
  spec?: EdgeDeviceSpec;
  status?: EdgeDeviceStatus;
}

/** Desired state of an EdgeDevice. Durations are texts such as "1m30s". */
export interface EdgeDeviceSpec {
  /** How the device reaches the operator. */
  connectivity?: ConnectivitySpec;
  /** The device's Node. */
  node?: {
    /** Subject of the serving certificate of the device's kubelet server. */
    cert?: CertInfo;
    /** Added to the labels that the operator sets. */
    labels?: Record<string, string>;
    /** Added to the annotations that the operator sets. */
    annotations?: Record<string, string>;
    /** Added to the taint that the operator sets. */
    taints?: Taint[];
    /** `forceSyncInterval`: how often the Node is compared as a whole. */
    timers?: { forceSyncInterval?: string };
  };
  /** Former name of `node.cert`. */
  certInfo?: CertInfo;
  /** Pods on the device. */
  pod?: {
    /** How many pods the device may run, besides the virtual pod. */
    allocatable?: number;
    /** Range of pod addresses. */
    cidr?: string;
    /** Resolver configuration of the pods. */
    dns?: { servers?: string[]; searches?: string[]; options?: string[] };
    /** `forceSyncInterval`: how often all pods are compared with the device. */
    timers?: { forceSyncInterval?: string };
  };
}

/** How the device reaches the operator. */
export interface ConnectivitySpec {
  /** Transport of the link. @default "grpc" */
  method?: "grpc" | "mqtt";
  /** Deadline of one request, and time without a link after which the device counts as offline. */
  timers?: { unarySessionTimeout?: string; offlineAfter?: string };
  /** Delays between the agent's attempts to connect. */
  backoff?: { initialDelay?: string; maxDelay?: string; factor?: number };
  /** For method "grpc". */
  grpcConfig?: {
    /** "host:port" of the operator as seen by the device. */
    endpoint?: string;
    /** Secret whose ca.crt signs the certificate at the end point. */
    tlsSecretRef?: { name: string };
    /** No TLS towards the end point. */
    insecure?: boolean;
  };
  /** For method "mqtt". */
  mqttConfig?: MqttConfig;
}

/** The MQTT broker between device and operator. */
export interface MqttConfig {
  /** "host:port" of the broker. */
  server?: string;
  /** Another name of `server`. */
  broker?: string;
  /** Prefix of all topics, the same on both sides. */
  messageNamespace?: string;
  /** Another name of `messageNamespace`. */
  topicNamespace?: string;
  /** Version of MQTT. */
  version?: "3.1.1" | "5";
  /** Transport that carries MQTT. */
  transport?: "tcp" | "websocket";
  /** Secret with tls.crt, tls.key and ca.crt. */
  tlsSecretRef?: { name: string };
  /** Secret with username and password. */
  userPassRef?: { name: string };
  /** Client identifier of the operator. */
  clientID?: string;
  /** MQTT keep-alive. */
  keepaliveInterval?: string | number;
  /** Upper bound of the payload of one MQTT message, in bytes. */
  maxPayloadSize?: number;
}

/** Fields of a certificate's subject. */
export interface CertInfo {
  /** C */
  country?: string;
  /** ST */
  state?: string;
  /** L */
  locality?: string;
  /** O; left out of requests to the signer kubernetes.io/kubelet-serving, which refuses it. */
  org?: string;
  /** OU */
  orgUnit?: string;
}

/** Observed state of an EdgeDevice. */
export interface EdgeDeviceStatus {
  /** Connected, Ready, and problem conditions while their problem lasts. */
  conditions?: Condition[];
  /** `metadata.generation` that this status is about. */
  observedGeneration?: number;
  /** Version that the agent reported; printer column. */
  agentVersion?: string;
  /** When the link last went up or down. */
  lastTransitionTime?: string;
  /** "host:port" of the device's kubelet server. */
  kubeletEndpoint?: string;
  /** Range of pod addresses in use. */
  podCIDR?: string;
  /** The last report of the device. */
  reported?: ReportedFacts;
}

/** Facts about the machine, from the device's last report. */
export interface ReportedFacts {
  /** GOOS, e.g. "linux". */
  os?: string;
  /** GOARCH, e.g. "arm64". */
  arch?: string;
  /** As `uname -r` prints it. */
  kernelVersion?: string;
  /** Name of the distribution. */
  osImage?: string;
  /** Identifies the installation; the same after a restart. */
  machineID?: string;
  /** Identifies the time since the last boot. */
  bootID?: string;
  /** Host name of the device. */
  hostname?: string;
  /** Container engine, e.g. "docker://20.10.24"; "" without one. */
  runtimeVersion?: string;
  /** Folder in which the engine keeps images and volumes. */
  runtimeRoot?: string;
  /** IP addresses of the device, preferred first. */
  addresses?: string[];
  /** Quantity, e.g. "4". */
  cpu?: string;
  /** Quantity, e.g. "3906Mi". */
  memory?: string;
  /** Quantity. */
  storage?: string;
  /** Version of the wire protocol. */
  protocolVersion?: number;
  /** Capabilities that the agent announced. */
  capabilities?: string[];
  /** What the agent's configuration allows on the host itself. */
  host?: {
    exec?: boolean;
    attach?: boolean;
    logs?: boolean;
    portForward?: boolean;
  };
  /** What the agent's configuration allows pods to do to the host. */
  pods?: {
    privileged?: boolean;
    hostPath?: boolean;
    hostNamespaces?: boolean;
  };
}

// SPDX-License-Identifier: Apache-2.0
/**
 * Types of the Kubernetes API, with the fields that are read or written. Fields are named as in the
 * API reference; all times are RFC 3339. Pod is in pod_object.ts, EdgeDevice in edge_device.ts.
 */

/**
 * `metav1.ObjectMeta`. The API server sets `uid`, `resourceVersion`, `generation` and the
 * timestamps: they are present on every object that was read.
 */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  /** Changes with every write. */
  resourceVersion?: string;
  /** Changes with every write of the spec. */
  generation?: number;
  creationTimestamp?: string;
  /** Present once the object is being deleted. */
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
}

/** `metav1.OwnerReference`: the object is deleted together with its owner. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** The fields that every object has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** One page of a list. */
export interface KubeList<T> {
  metadata: {
    resourceVersion?: string;
    continue?: string;
    remainingItemCount?: number;
  };
  items: T[];
}

/** `metav1.Condition`; conditions of Node and Pod extend it. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  /** When `status` last changed. */
  lastTransitionTime?: string;
  /** `metadata.generation` that the condition is about. */
  observedGeneration?: number;
}

/** v1 Node. */
export interface Node extends KubeObject {
  spec?: NodeSpec;
  status?: NodeStatus;
}

/** Desired state of a Node. */
export interface NodeSpec {
  podCIDR?: string;
  podCIDRs?: string[];
  providerID?: string;
  unschedulable?: boolean;
  taints?: Taint[];
}

/** Repels pods that have no matching toleration. */
export interface Taint {
  key: string;
  value?: string;
  effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  timeAdded?: string;
}

/** Observed state of a Node. */
export interface NodeStatus {
  capacity?: Record<string, string>;
  allocatable?: Record<string, string>;
  conditions?: NodeCondition[];
  addresses?: NodeAddress[];
  daemonEndpoints?: { kubeletEndpoint?: { Port: number } };
  nodeInfo?: NodeSystemInfo;
  declaredFeatures?: string[];
  phase?: string;
}

/** Condition of a Node. */
export interface NodeCondition extends Condition {
  lastHeartbeatTime?: string;
}

/** One address of a Node. */
export interface NodeAddress {
  type:
    | "Hostname"
    | "InternalIP"
    | "ExternalIP"
    | "InternalDNS"
    | "ExternalDNS";
  address: string;
}

/** Software and identity of a Node; the API requires all fields. */
export interface NodeSystemInfo {
  machineID: string;
  systemUUID: string;
  bootID: string;
  kernelVersion: string;
  osImage: string;
  containerRuntimeVersion: string;
  kubeletVersion: string;
  kubeProxyVersion: string;
  operatingSystem: string;
  architecture: string;
}

/** v1 Service. */
export interface Service extends KubeObject {
  spec?: {
    type?: string;
    clusterIP?: string;
    clusterIPs?: string[];
    selector?: Record<string, string>;
    ports?: ServicePort[];
  };
}

/** One port of a Service. */
export interface ServicePort {
  name?: string;
  port: number;
  protocol?: string;
  targetPort?: number | string;
  appProtocol?: string;
}

/** discovery.k8s.io/v1 EndpointSlice. */
export interface EndpointSlice extends KubeObject {
  addressType: "IPv4" | "IPv6" | "FQDN";
  endpoints: {
    addresses: string[];
    conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
    nodeName?: string;
  }[];
  ports?: {
    name?: string;
    port: number;
    protocol?: string;
    appProtocol?: string;
  }[];
}

/** v1 Secret; values are base64. */
export interface Secret extends KubeObject {
  type?: string;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  immutable?: boolean;
}

/** v1 ConfigMap; `binaryData` is base64. */
export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
  immutable?: boolean;
}

/** coordination.k8s.io/v1 Lease. Times have six digits of fraction (`metav1.MicroTime`). */
export interface Lease extends KubeObject {
  spec?: {
    /** "" when it is free. */
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** v1 Event, as `kubectl describe` shows it. */
export interface KubeEvent extends KubeObject {
  involvedObject: ObjectReference;
  type?: "Normal" | "Warning";
  reason?: string;
  message?: string;
  source?: { component?: string; host?: string };
  firstTimestamp?: string;
  lastTimestamp?: string;
  count?: number;
  reportingComponent?: string;
  reportingInstance?: string;
}

/** `v1.ObjectReference`. */
export interface ObjectReference {
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  resourceVersion?: string;
  fieldPath?: string;
}

/** certificates.k8s.io/v1 CertificateSigningRequest. */
export interface CertificateSigningRequest extends KubeObject {
  spec: {
    /** Base64 of a PKCS #10 request in PEM. */
    request: string;
    signerName: string;
    usages?: string[];
    expirationSeconds?: number;
    username?: string;
    groups?: string[];
  };
  status?: {
    conditions?: (Condition & { lastUpdateTime?: string })[];
    /** Base64 of a PEM chain; present once it is signed. */
    certificate?: string;
  };
}

/** authentication.k8s.io/v1 TokenReview. */
export interface TokenReview extends KubeObject {
  spec: { token: string; audiences?: string[] };
  status?: {
    authenticated?: boolean;
    user?: KubeUser;
    audiences?: string[];
    error?: string;
  };
}

/** UserInfo of authentication.k8s.io/v1. */
export interface KubeUser {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** authorization.k8s.io/v1 SubjectAccessReview. */
export interface SubjectAccessReview extends KubeObject {
  spec: {
    user?: string;
    uid?: string;
    groups?: string[];
    extra?: Record<string, string[]>;
    resourceAttributes?: ResourceAttributes;
    nonResourceAttributes?: { path: string; verb: string };
  };
  status?: { allowed: boolean; denied?: boolean; reason?: string };
}

/** The access that a SubjectAccessReview asks about. */
export interface ResourceAttributes {
  verb: string;
  group?: string;
  version?: string;
  resource: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}

/** authentication.k8s.io/v1 TokenRequest. */
export interface TokenRequest {
  apiVersion?: string;
  kind?: string;
  metadata?: Partial<ObjectMeta>;
  spec: {
    audiences?: string[];
    expirationSeconds?: number;
    boundObjectRef?: {
      kind: string;
      apiVersion: string;
      name: string;
      uid?: string;
    };
  };
  status?: { token: string; expirationTimestamp: string };
}

// SPDX-License-Identifier: Apache-2.0
/**
 * v1 Pod, with the fields that are supported, named as in the API reference. Pods with other fields
 * are rejected by the room `podspec`.
 */
import type { Condition, KubeObject } from "./objects.ts";

/** v1 Pod. */
export interface Pod extends KubeObject {
  spec: KubePodSpec;
  status?: KubePodStatus;
}

/** Desired state of a Pod. */
export interface KubePodSpec {
  nodeName?: string;
  containers: KubeContainer[];
  initContainers?: KubeContainer[];
  volumes?: KubeVolume[];
  restartPolicy?: "Always" | "OnFailure" | "Never";
  terminationGracePeriodSeconds?: number;
  activeDeadlineSeconds?: number;
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  enableServiceLinks?: boolean;
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
  shareProcessNamespace?: boolean;
  hostname?: string;
  subdomain?: string;
  setHostnameAsFQDN?: boolean;
  hostAliases?: { ip: string; hostnames?: string[] }[];
  dnsPolicy?: string;
  dnsConfig?: {
    nameservers?: string[];
    searches?: string[];
    options?: { name?: string; value?: string }[];
  };
  imagePullSecrets?: { name?: string }[];
  securityContext?: PodSecurityContext;
  readinessGates?: { conditionType: string }[];
  tolerations?: Toleration[];
  priority?: number;
  priorityClassName?: string;
  nodeSelector?: Record<string, string>;
}

/** Lets a pod run on a Node with a matching taint. */
export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
  tolerationSeconds?: number;
}

/** Security settings of a pod. */
export interface PodSecurityContext {
  runAsUser?: number;
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  fsGroup?: number;
  supplementalGroups?: number[];
  sysctls?: { name: string; value: string }[];
  seccompProfile?: { type: string; localhostProfile?: string };
}

/** Security settings of a container; they take precedence over the pod's. */
export interface SecurityContext {
  runAsUser?: number;
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  privileged?: boolean;
  readOnlyRootFilesystem?: boolean;
  allowPrivilegeEscalation?: boolean;
  capabilities?: { add?: string[]; drop?: string[] };
  seccompProfile?: { type: string; localhostProfile?: string };
  procMount?: string;
}

/** One container of a pod. */
export interface KubeContainer {
  name: string;
  image?: string;
  imagePullPolicy?: string;
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: KubeEnv[];
  envFrom?: {
    prefix?: string;
    configMapRef?: { name?: string; optional?: boolean };
    secretRef?: { name?: string; optional?: boolean };
  }[];
  volumeMounts?: KubeVolumeMount[];
  resources?: {
    limits?: Record<string, string>;
    requests?: Record<string, string>;
  };
  securityContext?: SecurityContext;
  stdin?: boolean;
  stdinOnce?: boolean;
  tty?: boolean;
  terminationMessagePath?: string;
  terminationMessagePolicy?: string;
  lifecycle?: { preStop?: KubeHandler; postStart?: KubeHandler };
  livenessProbe?: KubeProbe;
  readinessProbe?: KubeProbe;
  startupProbe?: KubeProbe;
  restartPolicy?: string;
  ports?: {
    name?: string;
    containerPort: number;
    hostPort?: number;
    hostIP?: string;
    protocol?: string;
  }[];
}

/** One environment variable. */
export interface KubeEnv {
  name: string;
  value?: string;
  valueFrom?: {
    fieldRef?: FieldRef;
    resourceFieldRef?: ResourceFieldRef;
    configMapKeyRef?: KeyRef;
    secretKeyRef?: KeyRef;
  };
}

/** A key of a ConfigMap or Secret. */
export interface KeyRef {
  name?: string;
  key: string;
  optional?: boolean;
}

/** A field of the pod, e.g. "metadata.name". */
export interface FieldRef {
  apiVersion?: string;
  fieldPath: string;
}

/** A resource of a container, e.g. "limits.memory". */
export interface ResourceFieldRef {
  containerName?: string;
  resource: string;
  divisor?: string;
}

/** Mount of a volume in a container. */
export interface KubeVolumeMount {
  name: string;
  mountPath: string;
  subPath?: string;
  subPathExpr?: string;
  readOnly?: boolean;
  mountPropagation?: string;
}

/** Action of a probe or lifecycle hook; exactly one property is set. */
export interface KubeHandler {
  exec?: { command?: string[] };
  httpGet?: {
    scheme?: string;
    host?: string;
    port: number | string;
    path?: string;
    httpHeaders?: { name: string; value: string }[];
  };
  tcpSocket?: { host?: string; port: number | string };
  sleep?: { seconds: number };
  grpc?: { port: number; service?: string };
}

/** Liveness, readiness or startup probe. */
export interface KubeProbe extends KubeHandler {
  initialDelaySeconds?: number;
  timeoutSeconds?: number;
  periodSeconds?: number;
  successThreshold?: number;
  failureThreshold?: number;
  terminationGracePeriodSeconds?: number;
}

/** Maps a key of a ConfigMap or Secret to a file. */
export interface KeyToPath {
  key: string;
  path: string;
  mode?: number;
}

/** A ConfigMap or Secret as files. */
export interface FilesSource {
  name?: string;
  secretName?: string;
  items?: KeyToPath[];
  optional?: boolean;
  defaultMode?: number;
}

/** Fields of the pod as files (downward API). */
export interface DownwardSource {
  items?: {
    path: string;
    fieldRef?: FieldRef;
    resourceFieldRef?: ResourceFieldRef;
    mode?: number;
  }[];
  defaultMode?: number;
}

/** Volume of a pod; exactly one property besides `name` is set. */
export interface KubeVolume {
  name: string;
  emptyDir?: { medium?: string; sizeLimit?: string };
  hostPath?: { path: string; type?: string };
  configMap?: FilesSource;
  secret?: FilesSource;
  downwardAPI?: DownwardSource;
  projected?: { sources?: ProjectedSource[]; defaultMode?: number };
}

/** One source of a projected volume; exactly one property is set. */
export interface ProjectedSource {
  configMap?: FilesSource;
  secret?: FilesSource;
  downwardAPI?: DownwardSource;
  serviceAccountToken?: {
    audience?: string;
    expirationSeconds?: number;
    path: string;
  };
}

/** Condition of a Pod. */
export interface PodCondition extends Condition {
  lastProbeTime?: string | null;
}

/** Observed state of a Pod. */
export interface KubePodStatus {
  phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  conditions?: PodCondition[];
  message?: string;
  reason?: string;
  hostIP?: string;
  hostIPs?: { ip: string }[];
  podIP?: string;
  podIPs?: { ip: string }[];
  startTime?: string;
  initContainerStatuses?: KubeContainerStatus[];
  containerStatuses?: KubeContainerStatus[];
  qosClass?: string;
  observedGeneration?: number;
}

/** Observed state of one container. */
export interface KubeContainerStatus {
  name: string;
  state?: KubeContainerState;
  lastState?: KubeContainerState;
  ready: boolean;
  restartCount: number;
  image: string;
  imageID: string;
  containerID?: string;
  started?: boolean;
}

/** State of a container; exactly one property is set. */
export interface KubeContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode: number;
    signal?: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt?: string;
    containerID?: string;
  };
}

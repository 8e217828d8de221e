// SPDX-License-Identifier: Apache-2.0
/**
 * Types of the kubelet's Summary API (k8s.io/kubelet/pkg/apis/stats/v1alpha1), with the fields that
 * are filled here.
 */

/** The response of /stats/summary. */
export interface StatsSummary {
  /** The whole device. */
  node: NodeStats;
  /** Pods with running containers. */
  pods: PodStats[];
}

/** Statistics of the whole device. */
export interface NodeStats {
  /** The node's name. */
  nodeName: string;
  /** RFC 3339. */
  startTime: string;
  /** CPU time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
  /** The root file system, where known. */
  fs?: FsStats;
}

/** Statistics of one pod. */
export interface PodStats {
  /** The pod's identity. */
  podRef: { name: string; namespace: string; uid: string };
  /** RFC 3339. */
  startTime: string;
  /** Its running containers. */
  containers: ContainerSummary[];
  /** CPU time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
  /** Network traffic, where known. */
  network?: NetworkStats;
}

/** Statistics of one container. */
export interface ContainerSummary {
  /** The container's name. */
  name: string;
  /** RFC 3339. */
  startTime: string;
  /** CPU time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
}

/** CPU time. */
export interface CpuStats {
  /** Time of the reading, RFC 3339. */
  time: string;
  /** Rate since the previous reading, in nanocores; absent for the first reading. */
  usageNanoCores?: number;
  /** Total since the start, in nanoseconds on one core. */
  usageCoreNanoSeconds: number;
}

/** Memory usage, in bytes. */
export interface MemoryStats {
  /** Time of the reading, RFC 3339. */
  time: string;
  /** Available, where known. */
  availableBytes?: number;
  /** Working set: in use and not easily reclaimed. */
  workingSetBytes: number;
  /** Anonymous memory, where known. */
  rssBytes?: number;
}

/** Usage of a file system, in bytes. */
export interface FsStats {
  /** Time of the reading, RFC 3339. */
  time: string;
  /** Available. */
  availableBytes: number;
  /** Capacity. */
  capacityBytes: number;
  /** Used. */
  usedBytes: number;
}

/** Traffic of the pod's network namespace since its start, in bytes. */
export interface NetworkStats {
  /** Time of the reading, RFC 3339. */
  time: string;
  /** Received. */
  rxBytes: number;
  /** Sent. */
  txBytes: number;
}

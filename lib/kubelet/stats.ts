// SPDX-License-Identifier: Apache-2.0
/** The Summary API's shapes (kubelet stats/v1alpha1), as far as they are filled here. */

/** The whole answer of /stats/summary. */
export interface StatsSummary {
  /** The device. */
  node: NodeStats;
  /** Those that have containers running. */
  pods: PodStats[];
}

/** Figures of the device itself. */
export interface NodeStats {
  /** The node's name. */
  nodeName: string;
  /** RFC 3339. */
  startTime: string;
  /** Processor time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
  /** The root file system, where known. */
  fs?: FsStats;
}

/** Figures of one pod. */
export interface PodStats {
  /** Which pod. */
  podRef: { name: string; namespace: string; uid: string };
  /** RFC 3339. */
  startTime: string;
  /** Its containers that run. */
  containers: StatsOfContainer[];
  /** Processor time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
  /** Its traffic, where known. */
  network?: NetworkStats;
}

/** Figures of one container. */
export interface StatsOfContainer {
  /** The container's name. */
  name: string;
  /** RFC 3339. */
  startTime: string;
  /** Processor time, where known. */
  cpu?: CpuStats;
  /** Memory, where known. */
  memory?: MemoryStats;
}

/** Processor time. */
export interface CpuStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Rate since the reading before, in billionths of a core; absent at the first one. */
  usageNanoCores?: number;
  /** Since the start, in nanoseconds on one core. */
  usageCoreNanoSeconds: number;
}

/** Memory, in bytes. */
export interface MemoryStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Left for use, where known. */
  availableBytes?: number;
  /** In use and not easily given back. */
  workingSetBytes: number;
  /** Anonymous memory, where known. */
  rssBytes?: number;
}

/** A file system, in bytes. */
export interface FsStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Left for use. */
  availableBytes: number;
  /** In all. */
  capacityBytes: number;
  /** In use. */
  usedBytes: number;
}

/** Traffic of the pod's network namespace since its start, in bytes. */
export interface NetworkStats {
  /** When it was read, RFC 3339. */
  time: string;
  /** Received. */
  rxBytes: number;
  /** Sent. */
  txBytes: number;
}

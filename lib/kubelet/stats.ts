// SPDX-License-Identifier: Apache-2.0
/** The Summary API's shapes (kubelet stats/v1alpha1), as far as they are filled here. */

/** The whole answer of /stats/summary. */
export interface StatsSummary {
  node: NodeStats;
  pods: PodStats[];
}

/** Figures of the device itself. */
export interface NodeStats {
  nodeName: string;
  /** RFC 3339. */
  startTime: string;
  cpu?: CpuStats;
  memory?: MemoryStats;
  fs?: FsStats;
}

/** Figures of one pod. */
export interface PodStats {
  podRef: { name: string; namespace: string; uid: string };
  /** RFC 3339. */
  startTime: string;
  containers: StatsOfContainer[];
  cpu?: CpuStats;
  memory?: MemoryStats;
  network?: NetworkStats;
}

/** Figures of one container. */
export interface StatsOfContainer {
  name: string;
  /** RFC 3339. */
  startTime: string;
  cpu?: CpuStats;
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
  availableBytes?: number;
  workingSetBytes: number;
  rssBytes?: number;
}

/** A file system, in bytes. */
export interface FsStats {
  /** When it was read, RFC 3339. */
  time: string;
  availableBytes: number;
  capacityBytes: number;
  usedBytes: number;
}

/** Traffic of the pod's network namespace since its start, in bytes. */
export interface NetworkStats {
  /** When it was read, RFC 3339. */
  time: string;
  rxBytes: number;
  txBytes: number;
}

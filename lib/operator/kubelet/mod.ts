// SPDX-License-Identifier: Apache-2.0
/**
 * The HTTPS face of a kubelet: routes, authentication and authorization, upgraded streams. Requests of the API server come in, calls of
 * the handlers it was given go out. This room never knows what stands behind a node.
 *
 * @module
 */
export * from "./auth.ts";
export type * from "./handlers.ts";
export * from "./server.ts";
export type { ServingTls } from "./serving_tls.ts";
export type {
  CpuStats,
  FsStats,
  MemoryStats,
  NetworkStats,
  NodeStats,
  PodStats,
  StatsOfContainer,
  StatsSummary,
} from "./resource_metrics.ts";

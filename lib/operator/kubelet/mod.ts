// SPDX-License-Identifier: Apache-2.0
/**
 * The kubelet API server: an HTTPS server per node with the kubelet's routes, authentication and
 * authorization, and the upgraded streams of exec, attach and port-forward. Requests of the API
 * server come in; calls of the node's {@linkcode KubeletHandlers} go out. This room never knows
 * what is behind a node.
 *
 * @example
 * ```ts
 * const auth = new KubeletAuth({ reviewToken, reviewAccess });
 * const options = { nodeName, handlers, tls, clientCa, auth, log, port: 20000 };
 * await using server = await createKubeletServer(options);
 * ```
 *
 * @module
 */
export {
  type AccessQuestion,
  KubeletAuth,
  type KubeletAuthOptions,
  type KubeletUser,
} from "./auth.ts";
export type { ForwardPort, KubeletHandlers, RunCommand } from "./handlers.ts";
export {
  createKubeletServer,
  createPendingClients,
  type KubeletServer,
  type KubeletServerOptions,
} from "./server.ts";
export { type ServingTls, validateClientCa } from "./serving_tls.ts";
export type {
  ContainerSummary,
  CpuStats,
  FsStats,
  MemoryStats,
  NetworkStats,
  NodeStats,
  PodStats,
  StatsSummary,
} from "./stats_summary.ts";

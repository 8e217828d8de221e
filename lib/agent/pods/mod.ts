// SPDX-License-Identifier: Apache-2.0
/**
 * The pods of one device: one worker per pod, as in a kubelet. Specs, removals and events of the
 * engine come in; calls of the container runtime, pod statuses and Events go out. A worker compares
 * what is desired with what the engine holds, a pure planner decides what is next, and the worker
 * executes it: volumes, sandbox, containers in order, restarts with back-off, probes, hooks,
 * removal with grace. Decisions are persisted, so that pods go on without a link and after a
 * restart.
 *
 * This room never talks to the operator, and never decides whether a pod should exist.
 *
 * @example
 * ```ts
 * await using podWorkers = await createPodWorkers({
 *   runtime, store, mounts, log, host, fetchBlobs, reporter,
 * });
 * await podWorkers.apply(spec);
 * await podWorkers.remove({ uid: spec.uid, graceSeconds: 30 });
 * await podWorkers.purge(spec.uid);
 * ```
 *
 * @module
 */
export {
  type BlobRequest,
  createPodWorkers,
  type PodWorkers,
  type PodWorkersOptions,
} from "./pod_workers.ts";
export type { HostAddresses, PodEvent, PodReporter } from "./context.ts";
export type { Mounts } from "../volumes/mod.ts";

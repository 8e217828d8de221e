// SPDX-License-Identifier: Apache-2.0
/**
 * Pods' lives on the device: one worker a pod, what to do next decided by a pure plan, then runtime calls: volumes, sandbox, init order,
 * restarts and back-off, probes, hooks, removal with grace, collection. Specs and wishes come in, statuses and events go out; it goes
 * on without a link. This room never talks to the operator, and never decides whether a pod should exist.
 *
 * @module
 */
export {
  createPodWorkers,
  type PodWorkers,
  type PodWorkersOptions,
} from "./pod_workers.ts";
export type { HostAddresses, PodEvent, PodReporter } from "./context.ts";
export type { Mounts } from "../volumes/mod.ts";

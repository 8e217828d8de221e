// SPDX-License-Identifier: Apache-2.0
/**
 * Pure translation between Kubernetes pods and the wire protocol. A Pod and lookups of what it
 * refers to come in, and the command for its device goes out; a device's report comes in, and a
 * patch of the Pod's status goes out. This room never waits, never calls the API server or a
 * device, and keeps nothing between two calls.
 *
 * @example
 * ```ts
 * const unsupported = findUnsupportedFields(pod, capabilities);
 * if (unsupported.length === 0) {
 *   const { spec, blobs } = toPodSpec(pod, lookups);
 * }
 * const patch = toStatusPatch({ pod, report, nowMs: clock.wallMs() });
 * ```
 *
 * @module
 */
export { findHostNeeds, findPodRejection } from "./admission.ts";
export { type FileContent, toFileBytes } from "./file_content.ts";
export {
  type Allocatable,
  type PodDns,
  type PodLookups,
  type PodToken,
  type PodWarning,
  type ProjectedToken,
  refKey,
} from "./lookups.ts";
export { isTerminal } from "./phase.ts";
export { toGraceSeconds, toPodSpec, type TranslatedPod } from "./spec.ts";
export {
  type PodStatusInput,
  type PodStatusPatch,
  toStatus,
  toStatusPatch,
} from "./status.ts";
export { findUnsupportedFields } from "./supported_fields.ts";
export { listProjectedTokens } from "./volumes.ts";

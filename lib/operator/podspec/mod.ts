// SPDX-License-Identifier: Apache-2.0
/**
 * Pure translation: a pod of the API with what it refers to becomes the command for its device, and what the device says becomes the pod's
 * status. Look-ups are passed in as functions. This room never talks to anybody and keeps nothing.
 *
 * @module
 */
export * from "./supported_fields.ts";
export {
  type PodDns,
  type PodLookups,
  type PodWarning,
  refKey,
  type TokenWant,
} from "./lookups.ts";
export { isTerminal, type PodPhase } from "./phase.ts";
export { parseQuantity } from "./quantity.ts";
export * from "./spec.ts";
export * from "./status.ts";
export { tokensWanted } from "./volumes.ts";

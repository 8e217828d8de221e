// SPDX-License-Identifier: Apache-2.0
/**
 * Which pods a device may run: the switches of its agent.yaml, read along the baseline policy of
 * the Pod Security Standards; and which new ones it rejects while it is short of memory or disk
 * space. A command for a pod comes in, and what it needs of the host, or why it is rejected, goes
 * out. The device enforces it, whatever the operator sends; the operator asks the same questions
 * first, so that users get the same answer without a request to the device. This room never waits
 * and holds no state.
 *
 * @example
 * ```ts
 * checkPodSwitches(spec, config.pods); // on the device: throws
 * const message = toForbiddenMessage(spec, { needs: listHostNeeds(spec), switches });
 * ```
 *
 * @module
 */
export {
  checkPodSwitches,
  FORBIDDEN_BY_DEVICE,
  type HostNeed,
  listHostNeeds,
  toForbiddenMessage,
} from "./host_needs.ts";
export {
  EVICTED,
  findPressureRejection,
  isCritical,
} from "./pressure_rejection.ts";

// SPDX-License-Identifier: Apache-2.0
/**
 * One living EdgeDevice: its objects and their repair, its link and session, its pod and stream lanes, its end. An EdgeDevice and what all
 * devices share come in; objects, kubelet answers and a served link go out. This room never listens, elects or decides which devices there are.
 *
 * @module
 */
export type * from "./context.ts";
export { type CredentialKeys } from "./credential.ts";
export { Device, type SecuredAgent } from "./device.ts";
export {
  LEASE_NAMESPACE,
  LEASE_SECONDS,
  NAME_LABEL,
  NAMESPACE_LABEL,
  ownedSelector,
  ownership,
  POD_CIDR_ANNOTATION,
  ROLE,
  ROLE_LABEL,
  secretText,
  servingSecretName,
  toMicroTime,
  toSecret,
} from "./objects.ts";
export { DeviceObjects } from "./reconcile.ts";
export { type Teardown, tearDown } from "./teardown.ts";

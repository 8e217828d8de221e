// SPDX-License-Identifier: Apache-2.0
/**
 * One EdgeDevice: its link and session, pods and kubelet server, and its objects on the API server.
 * An EdgeDevice, links of its agent, and what all devices share (`DeviceContext`) come in; writes
 * of Node, Lease, Service, EndpointSlice, Secret, virtual pod and status go out. This room never
 * listens, never elects a leader, and never decides which devices exist.
 *
 * @example
 * ```ts
 * await using device = new Device(edge, context);
 * const reconciler = new DeviceReconciler(device);
 * await reconciler.reconcile(signal);
 * await device.accept({ link, key });
 * ```
 *
 * @module
 */
export type {
  AddressBook,
  AgentYamlInput,
  DeviceContext,
  DeviceKube,
  DeviceSettings,
  DeviceStores,
  KubeletServers,
  OperatorInfo,
  PodRange,
  SettingsSource,
  SyncQueue,
} from "./context.ts";
export { covers } from "./covers.ts";
export { Device, type SecuredAgent } from "./device.ts";
export { createDeviceLimits, type DeviceLimits } from "./limits.ts";
export { knownPortOf, knownRangeOf } from "./ensure_node.ts";
export {
  agentSecretName,
  LEASE_NAMESPACE,
  NAME_LABEL,
  NAMESPACE_LABEL,
  ownedSelector,
  POD_CIDR_ANNOTATION,
  ROLE,
  ROLE_LABEL,
  servingSecretName,
} from "./metadata.ts";
export { secretText, toSecret } from "./objects.ts";
export { removeOrphans, type RemoveOrphansOptions } from "./orphans.ts";
export {
  type IgnoredSetting,
  nameConflict,
  type ProblemCondition,
  servingCertificateExpiring,
} from "./problems.ts";
export { DeviceReconciler } from "./reconcile.ts";
export { ObjectWriter } from "./writer.ts";
export { tearDown, type TeardownState } from "./teardown.ts";

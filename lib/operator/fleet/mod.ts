// SPDX-License-Identifier: Apache-2.0
/**
 * What the devices of one operator share: the registry that reconciles them, pod address ranges,
 * certificates, heartbeats, kubelet servers, informers, and the assignment of incoming links.
 * Watched objects and links come in; reconciled devices go out. This room never elects a leader,
 * and never decides how a single device is served.
 *
 * @example
 * ```ts
 * await using devices = new DeviceRegistry({ context, heartbeats });
 * await serveLinks({
 *   listener,
 *   directory: { find: (name) => devices.find(name) },
 *   log,
 *   meter,
 *   signal,
 * });
 * ```
 *
 * @module
 */
export { PodAddressBook } from "./address_book.ts";
export { ClusterRanges } from "./cluster_ranges.ts";
export { createAccessReviews } from "./access_reviews.ts";
export { restoreAssignments } from "./assignments.ts";
export { type Authority, ensureAuthority } from "./authority.ts";
export { ServingCertificates } from "./certificates.ts";
export { followClientCa, readClientCa } from "./client_ca.ts";
export { DeviceRegistry } from "./device_registry.ts";
export { LeaseRenewer } from "./lease_renewer.ts";
export { KubeletRegistry, type PortRange } from "./kubelet_registry.ts";
export { type DeviceDirectory, serveLinks } from "./links.ts";
export { type EndpointSource, FleetSettings, hostOf } from "./settings.ts";
export { FleetStores } from "./stores.ts";

// SPDX-License-Identifier: Apache-2.0
/**
 * Everything that the devices of one operator share: the registry that reconciles them, their pod address ranges, certificates,
 * Lease renewals, kubelet ports, and the assignment of incoming links. Watched objects and links come in; reconciled devices go out.
 * This room never elects a leader, and never looks inside one device.
 *
 * @module
 */
export { PodAddressBook } from "./address_book.ts";
export { ClusterRanges } from "./cluster_ranges.ts";
export { createAccessReviews } from "./access_reviews.ts";
export { ensureAuthority } from "./authority.ts";
export { ServingCertificates } from "./certificates.ts";
export { followClientCa, readClientCa } from "./client_ca.ts";
export { createDevices, type Devices } from "./devices.ts";
export { LeaseRenewer } from "./lease_renewer.ts";
export { KubeletRegistry, type PortRange } from "./kubelet_registry.ts";
export { serveLinks } from "./links.ts";
export { hostOf, toAgentYaml, toSettings } from "./settings.ts";
export { FleetStores } from "./stores.ts";

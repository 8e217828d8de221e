// SPDX-License-Identifier: Apache-2.0
/**
 * The only room that talks to the API server: typed calls over pooled connections, informers, leader election, events, certificates and reviews,
 * and the types of the objects we use. Objects go in and come out as plain JSON values. This room never decides what a device or pod should be.
 *
 * @module
 */
export type * from "./api.ts";
export * from "./client.ts";
export * from "./conditions.ts";
export type * from "./edge_device.ts";
export * from "./events.ts";
export * from "./informer.ts";
export * from "./kinds.ts";
export * from "./lease.ts";
export type * from "./objects.ts";
export type * from "./pod_object.ts";
export * from "./requests.ts";

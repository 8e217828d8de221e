// SPDX-License-Identifier: Apache-2.0
/**
 * Carries whole packets between operator and agent over a transport. Bytes come in and go out; this room never looks inside a packet.
 *
 * @module
 */
export * from "./grpc_dialer.ts";
export * from "./grpc_listener.ts";
export type * from "./link.ts";

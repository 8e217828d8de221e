// SPDX-License-Identifier: Apache-2.0
/**
 * Who is who, and nobody else may read: a Link comes in, after the Noise handshake a sealed Link comes out.
 * This room does no I/O of its own and never knows where credentials are kept.
 *
 * @module
 */
export * from "./initiator.ts";
export * from "./handshake_limit.ts";
export * from "./responder.ts";

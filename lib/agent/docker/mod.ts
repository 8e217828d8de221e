// SPDX-License-Identifier: Apache-2.0
/**
 * The Docker Engine API over its unix socket or TCP. Requests come in, answers, log bytes and hijacked streams go out.
 * This room never decides which container to make, and knows no pods.
 *
 * @module
 */
export * from "./client.ts";
export * from "./containers.ts";
export * from "./demux.ts";
export * from "./exec.ts";
export * from "./images.ts";
export type * from "./shapes.ts";
export * from "./system.ts";

// SPDX-License-Identifier: Apache-2.0
/**
 * Many streams on one link: requests and streams with order, windows, resume and deadlines; the same code at both ends.
 * A sealed Link comes in, streams come out. This room never knows what a stream is about.
 *
 * @module
 */
export * from "./linked_session.ts";
export * from "./greeting.ts";
export type * from "./session.ts";

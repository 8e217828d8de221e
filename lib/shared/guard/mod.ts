// SPDX-License-Identifier: Apache-2.0
/**
 * Bounds on what unauthenticated clients may hold of a server: sockets, HTTP requests, and any
 * other work in slots that are shared out fairly between connections and networks (ADR 22). Sockets
 * and servers of the caller come in. This room never listens, and knows no protocol above HTTP.
 *
 * @example
 * ```ts
 * const pending = new PendingSockets({ maxCount: 64, timeoutMs: 15_000 });
 * new HttpGuard(server, pending).onRequest((request, response) => response.end());
 * ```
 *
 * @module
 */
export * from "./fair_slots.ts";
export * from "./http_guard.ts";
export * from "./network.ts";
export * from "./pending_sockets.ts";

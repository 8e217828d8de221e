// SPDX-License-Identifier: Apache-2.0
/**
 * Relays the kubelet API calls of one device (exec, attach, logs, port-forward, stats) to its
 * session. Calls come in from the kubelet API server; streams and requests of the session go out,
 * bytes and exit statuses come back. This room never decides who may call, and never holds pods
 * itself.
 *
 * @example
 * ```ts
 * const handlers = new DeviceHandlers({ device: "edge-1", session, link, pods, settings });
 * const run = await handlers.exec({ ...streams, target, command: ["true"] });
 * const { code } = await run(io);
 * ```
 *
 * @module
 */
export { DeviceHandlers, type DeviceHandlersOptions } from "./handlers.ts";

// SPDX-License-Identifier: Apache-2.0
/**
 * What kubectl's upgraded connections speak: SPDY/3.1, and over it the remote command and port-forward protocols of Kubernetes.
 * A socket comes in, named byte streams and calls of functions it was given go out. This room never knows HTTP, pods or devices.
 *
 * @module
 */
export * from "./negotiate.ts";
export * from "./port_forward.ts";
export * from "./remote_command.ts";
export * from "./status.ts";

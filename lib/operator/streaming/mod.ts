// SPDX-License-Identifier: Apache-2.0
/**
 * The protocols of kubectl's upgraded connections: SPDY/3.1, and over it remote commands and port
 * forwarding. A socket comes in; byte streams, terminal sizes and exit statuses go to and from
 * functions that the caller passes. This room never knows HTTP, pods or devices.
 *
 * @example
 * ```ts
 * const protocol = negotiateProtocol(header, REMOTE_COMMAND_PROTOCOLS);
 * await serveRemoteCommand(socket, {
 *   protocol,
 *   stdin: true,
 *   stdout: true,
 *   stderr: true,
 *   tty: false,
 *   run: async ({ stdin, stdout }) => {
 *     for await (const chunk of stdin) await stdout(chunk);
 *     return { code: 0 };
 *   },
 * });
 * ```
 *
 * @module
 */
export {
  negotiateProtocol,
  PORT_FORWARD_PROTOCOLS,
  REMOTE_COMMAND_PROTOCOLS,
  type RemoteCommandProtocol,
} from "./negotiate.ts";
export {
  servePortForward,
  type ServePortForwardOptions,
} from "./port_forward.ts";
export {
  serveRemoteCommand,
  type ServeRemoteCommandOptions,
} from "./remote_command.ts";
export { pauseReading, resumeReading } from "./socket_flow.ts";
export { type KubeStatus, toErrorStatus } from "./status.ts";

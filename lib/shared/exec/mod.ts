// SPDX-License-Identifier: Apache-2.0
/**
 * The types of remote calls into a pod: exec, attach, logs and port-forward. Every hop between
 * kubectl's socket and the process passes the same request, I/O and exit status on; only the
 * request's target becomes more concrete: a name in the cluster, a pod UID on the wire, a container
 * id on the device. This room has no behaviour.
 *
 * @example
 * ```ts
 * async function runTrue(io: ExecIo): Promise<ExitStatus> {
 *   await io.stdout(utf8("done\n"));
 *   return { code: 0 };
 * }
 * ```
 *
 * @module
 */
export type {
  AttachRequest,
  ExecIo,
  ExecRequest,
  ExecStreams,
  ExitStatus,
  TerminalSize,
} from "./command.ts";
export { CLIENT_LEFT } from "./command.ts";
export type { LogOptions, LogsRequest } from "./logs.ts";
export type { PodTarget } from "./pod_target.ts";
export type { ConnectionIo, ForwardedPort } from "./port_forward.ts";

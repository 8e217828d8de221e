// SPDX-License-Identifier: Apache-2.0
/**
 * The machine that the agent runs on: facts and resource usage, processes with and without a
 * terminal, its log, and TCP ports on loopback. Commands come in; bytes, exit statuses and facts go
 * out. This room never decides whether the device's owner allows a command, and knows no
 * containers.
 *
 * @example
 * ```ts
 * const machine = new LocalMachine({ env: { HOME: "/root" } });
 * const { code } = await machine.exec({ command: ["uptime"], stdin: false, tty: false }, io);
 * const { memoryAvailableBytes } = await machine.readFacts({ paths: ["/var/lib/aranya"] });
 * ```
 *
 * @module
 */
export type { DiskUsage, HostFacts, HostUsage } from "./facts.ts";
export type { HostLogOptions } from "./logs.ts";
export {
  type HostCommand,
  type HostMachine,
  type HostPort,
  LocalMachine,
  type LocalMachineOptions,
} from "./machine.ts";
export { PortDialError } from "./port.ts";
export {
  type ExceededThreshold,
  type PressureCondition,
  type PressureInput,
  PressureMonitor,
} from "./pressure.ts";
export type { ProgramResult } from "./program.ts";
export { HostMounts, type MountEntry } from "./mounts.ts";

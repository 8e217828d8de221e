// SPDX-License-Identifier: Apache-2.0
/**
 * The device itself: facts, measured pressure, processes with and without a terminal, log files, loopback ports.
 * Commands come in, bytes and exit codes go out. This room never asks whether the owner allows it, and knows no containers.
 *
 * @module
 */
export type { DiskReading, HostReading } from "./facts.ts";
export type { HostLogOptions } from "./logs.ts";
export { readHostLog } from "./logs.ts";
export * from "./machine.ts";
export { PortDialError } from "./port.ts";
export * from "./pressure.ts";
export type { ProgramResult } from "./program.ts";
export * from "./tmpfs.ts";

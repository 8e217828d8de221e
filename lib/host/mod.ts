// SPDX-License-Identifier: Apache-2.0
/**
 * The device itself: facts, measured pressure, processes with and without a terminal, log files, loopback ports.
 * Commands come in, bytes and exit codes go out. This room never asks whether the owner allows it, and knows no containers.
 *
 * @module
 */
export * from "./machine.ts";
export * from "./tmpfs.ts";

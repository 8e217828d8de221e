// SPDX-License-Identifier: Apache-2.0
/**
 * Containers and host as the agent uses them: one interface each, with their Docker and host implementations.
 * Requests with everything resolved come in, containers and bytes come out. This room never decides what to run or when.
 *
 * @module
 */
export type * from "./runtime.ts";
export * from "./engine.ts";
export {
  createDeviceReader,
  type DeviceFacts,
  type DeviceReader,
  type DeviceReaderOptions,
} from "./device_reader.ts";

// SPDX-License-Identifier: Apache-2.0
/**
 * Containers and host as the agent uses them: one interface each, with their Docker and host implementations.
 * Requests with everything resolved come in, containers and bytes come out. This room never decides what to run or when.
 *
 * @module
 */
export type * from "./runtime.ts";
export { DockerRuntime, type DockerRuntimeOptions } from "./docker_runtime.ts";
export { HostStreams, type HostStreamsOptions } from "./host_streams.ts";
export { StreamRouter, type StreamRouterOptions } from "./stream_router.ts";
export {
  createDeviceReader,
  type DeviceFacts,
  type DeviceReader,
  type DeviceReaderOptions,
} from "./device_reader.ts";

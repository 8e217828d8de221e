// SPDX-License-Identifier: Apache-2.0
/**
 * Containers and host as the agent uses them: the contracts `PodRuntime`, `ImageRuntime`,
 * `StatsRuntime`, `StreamRuntime` and `DeviceReader`, and their implementations on Docker and the
 * host. Requests with all references resolved come in; states, bytes and exit statuses go out. This
 * room never decides which containers should run.
 *
 * @example
 * ```ts
 * const runtime = new DockerRuntime({ client, device: "edge-1", log });
 * await runtime.ensureSandbox(sandbox, signal);
 * const id = await runtime.startContainer(container, signal);
 * await runtime.stopContainer(id, { graceMs: 30_000, signal });
 * ```
 *
 * @module
 */
export type {
  ContainerDiskUsage,
  ContainerRef,
  ContainerRequest,
  ContainerRuntime,
  HostRef,
  ImageRequest,
  ImageRuntime,
  PodRuntime,
  RuntimeAttachRequest,
  RuntimeContainer,
  RuntimeExecRequest,
  RuntimeLogsRequest,
  RuntimePod,
  RuntimeTarget,
  Sandbox,
  SandboxRequest,
  StatsRuntime,
  StreamRuntime,
} from "./runtime.ts";
export { isEngineDiskFull, isEngineUnreachable } from "../docker/mod.ts";
export type { ExceededThreshold } from "../host/mod.ts";
export {
  type DeviceFacts,
  type DevicePressure,
  type DeviceReader,
  DockerDeviceReader,
  type DockerDeviceReaderOptions,
  type PressureRecord,
} from "./device_reader.ts";
export { DockerRuntime, type DockerRuntimeOptions } from "./docker_runtime.ts";
export {
  DockerImageCollector,
  type DockerImageCollectorOptions,
  type ImageCollector,
  type OwnImagesRecord,
  type RunImageCollectorOptions,
} from "./image_collector.ts";
export { HostStreams, type HostStreamsOptions } from "./host_streams.ts";
export { StreamRouter, type StreamRouterOptions } from "./stream_router.ts";

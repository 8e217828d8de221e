// SPDX-License-Identifier: Apache-2.0
/**
 * Client of the Docker Engine API over its unix socket or TCP. Calls come in; responses, log bytes
 * and hijacked streams go out. This room never decides which container to create, and knows no
 * pods.
 *
 * @example
 * ```ts
 * await using client = new DockerHttpClient({ host: "unix:///var/run/docker.sock" });
 * const { State } = await inspectContainer(client, "web");
 * for await (const { stream, bytes } of demux(await readContainerLog(client, { id: "web" }))) {
 *   await write(stream, bytes);
 * }
 * ```
 *
 * @module
 */
export type { DockerCall, DockerClient, DockerSocket } from "./client.ts";
export {
  DockerHttpClient,
  type DockerHttpClientOptions,
} from "./http_client.ts";
export {
  attachContainer,
  type ContainerLogOptions,
  createContainer,
  inspectContainer,
  killContainer,
  listContainers,
  readContainerLog,
  readContainerStats,
  removeContainer,
  resizeContainer,
  startContainer,
  waitContainer,
} from "./containers.ts";
export { isEngineDiskFull, isEngineUnreachable } from "./errors.ts";
export { demux, type OutputPiece } from "./demux.ts";
export {
  createExec,
  type CreateExecOptions,
  type ExecState,
  inspectExec,
  resizeExec,
  startExec,
} from "./exec.ts";
export {
  inspectImage,
  listImages,
  loadImage,
  pullImage,
  type PullImageOptions,
  type RegistryLogin,
  removeImage,
} from "./images.ts";
export {
  createNetwork,
  type CreateNetworkOptions,
  inspectNetwork,
  removeNetwork,
} from "./networks.ts";
export type {
  ContainerCreate,
  ContainerInspect,
  ContainerListItem,
  EngineEvent,
  HostConfig,
  ImageInspect,
  ImageListItem,
  Mount,
  NetworkInspect,
  StatsResponse,
  SystemInfo,
} from "./shapes.ts";
export {
  readSystemInfo,
  watchEvents,
  type WatchEventsOptions,
} from "./system.ts";

// SPDX-License-Identifier: Apache-2.0
/** Calls about containers. "not_found" means that there is none of that id. */
import type { DockerClient, DockerSocket } from "./client.ts";
import type {
  ContainerCreate,
  ContainerInspect,
  ContainerSummary,
  StatsReading,
} from "./shapes.ts";

/** Creates a container and gives its id. @throws {AranyaError} "not_found" no such image, "conflict" the name is taken, "invalid" */
export async function createContainer(
  client: DockerClient,
  options: {
    name: string;
    config: ContainerCreate;
    signal?: AbortSignal | undefined;
  },
): Promise<string> {
  const { Id } = await client.request<{ Id: string }>({
    method: "POST",
    path: "/containers/create",
    query: { name: options.name },
    body: options.config,
    action: `Cannot create container "${options.name}"`,
    signal: options.signal,
  });
  return Id;
}

/** Starts a created container; one that runs is left alone. @throws {AranyaError} with the engine's sentence when its process can't be started */
export async function startContainer(
  client: DockerClient,
  id: string,
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${id}/start`,
    action: `Cannot start container ${shortId(id)}`,
    timeoutMs: 120_000,
  });
}

/** Sends a signal. @throws {AranyaError} "conflict" when it doesn't run */
export async function killContainer(
  client: DockerClient,
  options: { id: string; signalName: string },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${options.id}/kill`,
    query: { signal: options.signalName },
    action: `Cannot signal container ${shortId(options.id)}`,
  });
}

/** Resolves when the container doesn't run (any more). */
export async function waitContainer(
  client: DockerClient,
  options: { id: string; timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${options.id}/wait`,
    query: { condition: "not-running" },
    action: `Cannot wait for container ${shortId(options.id)}`,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  });
}

/** Removes a container, killing it when it runs, with its anonymous volumes. */
export async function removeContainer(
  client: DockerClient,
  id: string,
): Promise<void> {
  await client.request({
    method: "DELETE",
    path: `/containers/${id}`,
    query: { force: true, v: true },
    action: `Cannot remove container ${shortId(id)}`,
    timeoutMs: 120_000,
  });
}

/** Containers with all of these labels ("name" or "name=value"). */
export function listContainers(
  client: DockerClient,
  options: { labels: string[]; running?: boolean },
): Promise<ContainerSummary[]> {
  return client.request({
    method: "GET",
    path: "/containers/json",
    query: {
      all: options.running !== true,
      filters: JSON.stringify({ label: options.labels }),
    },
    action: "Cannot list containers",
  });
}

/** What the engine knows of one container, by id or name. */
export function inspectContainer(
  client: DockerClient,
  id: string,
): Promise<ContainerInspect> {
  return client.request({
    method: "GET",
    path: `/containers/${encodeURIComponent(id)}/json`,
    action: `Cannot inspect container ${shortId(id)}`,
  });
}

/** One reading of a running container's figures, at once. */
export function readContainerStats(
  client: DockerClient,
  options: { id: string; signal?: AbortSignal | undefined },
): Promise<StatsReading> {
  return client.request({
    method: "GET",
    path: `/containers/${options.id}/stats`,
    query: { stream: false, "one-shot": true },
    action: `Cannot read figures of container ${shortId(options.id)}`,
    timeoutMs: 10_000,
    signal: options.signal,
  });
}

/** Options of {@linkcode readContainerLog}. */
export interface ContainerLogOptions {
  id: string;
  follow?: boolean;
  /** Puts an RFC 3339 time before each line. */
  timestamps?: boolean;
  tailLines?: number | undefined;
  /** Seconds since 1970 with fraction. */
  since?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Log bytes as the engine sends them: multiplexed unless the container has a terminal. */
export function readContainerLog(
  client: DockerClient,
  options: ContainerLogOptions,
): Promise<AsyncIterable<Uint8Array>> {
  return client.stream({
    method: "GET",
    path: `/containers/${options.id}/logs`,
    query: {
      stdout: true,
      stderr: true,
      follow: options.follow === true,
      timestamps: options.timestamps === true,
      tail: options.tailLines,
      since: options.since,
    },
    action: `Cannot read log of container ${shortId(options.id)}`,
    signal: options.signal,
  });
}

/** Joins the streams of a container's first process. */
export function attachContainer(
  client: DockerClient,
  options: {
    id: string;
    stdin: boolean;
    stdout: boolean;
    stderr: boolean;
    signal?: AbortSignal | undefined;
  },
): Promise<DockerSocket> {
  const { id, stdin, stdout, stderr } = options;
  return client.hijack({
    method: "POST",
    path: `/containers/${id}/attach`,
    query: { stream: true, stdin, stdout, stderr },
    action: `Cannot attach to container ${shortId(id)}`,
    signal: options.signal,
  });
}

/** Sets the size of a container's terminal. */
export async function resizeContainer(
  client: DockerClient,
  options: { id: string; width: number; height: number },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${options.id}/resize`,
    query: { w: options.width, h: options.height },
    action: `Cannot resize terminal of container ${shortId(options.id)}`,
    timeoutMs: 10_000,
  });
}

/** As the docker command shows ids. */
export function shortId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : `"${id}"`;
}

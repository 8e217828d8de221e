// SPDX-License-Identifier: Apache-2.0
/** Calls about containers. Each fails with code "not_found" when there is no such container. */
import { defined } from "../../shared/base/mod.ts";
import type { DockerClient, DockerSocket } from "./client.ts";
import type {
  ContainerCreate,
  ContainerInspect,
  ContainerListItem,
  StatsResponse,
} from "./shapes.ts";

const START_TIMEOUT_MS = 120_000;
const REMOVE_TIMEOUT_MS = 120_000;
const STATS_TIMEOUT_MS = 10_000;
const RESIZE_TIMEOUT_MS = 10_000;
/** The engine walks all files that containers have written. */
const SIZES_TIMEOUT_MS = 120_000;

/**
 * Creates a container and returns its id.
 * @throws {AranyaError} code "not_found" when the image is missing, "conflict" when the name is
 * taken, "invalid" for a bad configuration
 */
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

/**
 * Starts a created container; does nothing when it is running.
 * @throws {AranyaError} with the engine's sentence when its process can't be started
 */
export async function startContainer(
  client: DockerClient,
  id: string,
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${id}/start`,
    action: `Cannot start container ${formatContainerId(id)}`,
    timeoutMs: START_TIMEOUT_MS,
  });
}

/**
 * Sends a signal to the container's first process.
 * @throws {AranyaError} code "conflict" when the container is not running
 */
export async function killContainer(
  client: DockerClient,
  options: { id: string; signalName: string },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${options.id}/kill`,
    query: { signal: options.signalName },
    action: `Cannot signal container ${formatContainerId(options.id)}`,
  });
}

/** Resolves when the container is not running; at once when it never was. */
export async function waitContainer(
  client: DockerClient,
  options: { id: string; timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${options.id}/wait`,
    query: { condition: "not-running" },
    action: `Cannot wait for container ${formatContainerId(options.id)}`,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  });
}

/** Removes a container with its anonymous volumes; kills it first when it is running. */
export async function removeContainer(
  client: DockerClient,
  id: string,
): Promise<void> {
  await client.request({
    method: "DELETE",
    path: `/containers/${id}`,
    query: { force: true, v: true },
    action: `Cannot remove container ${formatContainerId(id)}`,
    timeoutMs: REMOVE_TIMEOUT_MS,
  });
}

/**
 * Returns the containers, running or not, with all of these labels: "name" or "name=value".
 * @param options.hasSize also returns the size of what each has written to its layer, which takes
 * the engine much longer
 */
export function listContainers(
  client: DockerClient,
  { labels, hasSize = false }: { labels: string[]; hasSize?: boolean },
): Promise<ContainerListItem[]> {
  return client.request({
    method: "GET",
    path: "/containers/json",
    query: {
      all: true,
      filters: JSON.stringify({ label: labels }),
      ...defined({ size: hasSize || undefined }),
    },
    action: `Cannot ${hasSize ? "measure" : "list"} containers`,
    ...defined({ timeoutMs: hasSize ? SIZES_TIMEOUT_MS : undefined }),
  });
}

/** Returns the state and configuration of one container, by id or name. */
export function inspectContainer(
  client: DockerClient,
  id: string,
): Promise<ContainerInspect> {
  return client.request({
    method: "GET",
    path: `/containers/${encodeURIComponent(id)}/json`,
    action: `Cannot inspect container ${formatContainerId(id)}`,
  });
}

/**
 * Returns the resource usage of a running container, without the engine's wait for a second sample.
 */
export function readContainerStats(
  client: DockerClient,
  options: { id: string; signal?: AbortSignal | undefined },
): Promise<StatsResponse> {
  return client.request({
    method: "GET",
    path: `/containers/${options.id}/stats`,
    query: { stream: false, "one-shot": true },
    action: `Cannot read stats of container ${formatContainerId(options.id)}`,
    timeoutMs: STATS_TIMEOUT_MS,
    signal: options.signal,
  });
}

/** Options of {@linkcode readContainerLog}. */
export interface ContainerLogOptions {
  id: string;
  /** Continue with new lines until the container ends. @default false */
  follow?: boolean;
  /** Put an RFC 3339 time before each line. @default false */
  timestamps?: boolean;
  /** Number of lines from the end. @default all */
  tailLines?: number | undefined;
  /** Seconds since 1970, with fraction. */
  since?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Returns the log's bytes: multiplexed, or raw when the container has a terminal. */
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
    action: `Cannot read log of container ${formatContainerId(options.id)}`,
    signal: options.signal,
  });
}

/**
 * Attaches to the streams of a container's first process. The output is multiplexed, or raw when
 * the container has a terminal.
 */
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
    action: `Cannot attach to container ${formatContainerId(id)}`,
    signal: options.signal,
  });
}

/** Sets the size of a container's terminal, in characters. */
export async function resizeContainer(
  client: DockerClient,
  options: { id: string; width: number; height: number },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/containers/${options.id}/resize`,
    query: { w: options.width, h: options.height },
    action: `Cannot resize terminal of container ${
      formatContainerId(options.id)
    }`,
    timeoutMs: RESIZE_TIMEOUT_MS,
  });
}

/** Formats an id for messages as the docker command does, in 12 characters; quotes a name. */
export function formatContainerId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : `"${id}"`;
}

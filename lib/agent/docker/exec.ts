// SPDX-License-Identifier: Apache-2.0
/** Calls about commands that run in a container beside its first process. */
import type { DockerClient, DockerSocket } from "./client.ts";
import { formatContainerId } from "./containers.ts";

const RESIZE_TIMEOUT_MS = 10_000;

/** Options of {@linkcode createExec}. */
export interface CreateExecOptions {
  containerId: string;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Creates a command without starting it and returns its id.
 * @throws {AranyaError} code "not_found", or "conflict" when the container is not running
 */
export async function createExec(
  client: DockerClient,
  options: CreateExecOptions,
): Promise<string> {
  const { Id } = await client.request<{ Id: string }>({
    method: "POST",
    path: `/containers/${options.containerId}/exec`,
    body: {
      AttachStdin: options.stdin,
      AttachStdout: options.stdout,
      AttachStderr: options.stderr,
      Tty: options.tty,
      Cmd: options.command,
    },
    action: `Cannot exec in container ${
      formatContainerId(options.containerId)
    }`,
    signal: options.signal,
  });
  return Id;
}

/** Starts a created command. Its output is multiplexed, or raw when it has a terminal. */
export function startExec(
  client: DockerClient,
  options: { id: string; tty: boolean; signal?: AbortSignal | undefined },
): Promise<DockerSocket> {
  return client.hijack({
    method: "POST",
    path: `/exec/${options.id}/start`,
    body: { Detach: false, Tty: options.tty },
    action: "Cannot start command in container",
    signal: options.signal,
  });
}

/** State of a command, under the API's own names. */
export interface ExecState {
  Running: boolean;
  /** null before the command has started. */
  ExitCode: number | null;
  /** On the engine's machine; 0 before the command has started. */
  Pid: number;
}

/** Returns the state of a command. */
export function inspectExec(
  client: DockerClient,
  id: string,
): Promise<ExecState> {
  return client.request({
    method: "GET",
    path: `/exec/${id}/json`,
    action: "Cannot inspect command in container",
  });
}

/** Sets the size of a command's terminal, in characters. */
export async function resizeExec(
  client: DockerClient,
  options: { id: string; width: number; height: number },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/exec/${options.id}/resize`,
    query: { w: options.width, h: options.height },
    action: "Cannot resize terminal of command",
    timeoutMs: RESIZE_TIMEOUT_MS,
  });
}

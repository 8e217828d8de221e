// SPDX-License-Identifier: Apache-2.0
/** Commands run beside a container's first process. */
import type { DockerClient, DockerSocket } from "./client.ts";
import { shortId } from "./containers.ts";

/** Options of {@linkcode createExec}. */
export interface ExecOptions {
  containerId: string;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  signal?: AbortSignal | undefined;
}

/** Prepares a command and gives its id. @throws {AranyaError} "not_found", "conflict" when the container doesn't run */
export async function createExec(
  client: DockerClient,
  options: ExecOptions,
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
    action: `Cannot exec in container ${shortId(options.containerId)}`,
    signal: options.signal,
  });
  return Id;
}

/** Starts a prepared command; its output is multiplexed unless it has a terminal. */
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

/** How a command stands. */
export interface ExecState {
  Running: boolean;
  /** null while it has not run. */
  ExitCode: number | null;
  Pid: number;
}

/** Looks at a command. */
export function inspectExec(
  client: DockerClient,
  id: string,
): Promise<ExecState> {
  return client.request({
    method: "GET",
    path: `/exec/${id}/json`,
    action: "Cannot look at command in container",
  });
}

/** Sets the size of a command's terminal. */
export async function resizeExec(
  client: DockerClient,
  options: { id: string; width: number; height: number },
): Promise<void> {
  await client.request({
    method: "POST",
    path: `/exec/${options.id}/resize`,
    query: { w: options.width, h: options.height },
    action: "Cannot resize terminal of command",
    timeoutMs: 10_000,
  });
}

// SPDX-License-Identifier: Apache-2.0
/** Logs of containers on a Docker engine. */
import {
  demux,
  type DockerClient,
  inspectContainer,
  readContainerLog,
} from "../docker/mod.ts";
import type { ContainerRef, RuntimeLogsRequest } from "./runtime.ts";

/** Yields a container's log: both outputs, in the order in which the engine recorded them. */
export async function* readDockerLog(
  client: DockerClient,
  request: RuntimeLogsRequest<ContainerRef> & { signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const { target, follow, timestamps, tailLines, sinceTime } = request;
  const { containerId: id } = target;
  let missingBytes = request.limitBytes ?? Infinity;
  if (missingBytes <= 0) return;
  const { Config } = await inspectContainer(client, id);
  const chunks = await readContainerLog(client, {
    id,
    follow,
    timestamps,
    tailLines,
    since: sinceTime === undefined ? undefined : toDockerTime(sinceTime),
    signal: request.signal,
  });
  for await (const bytes of Config.Tty ? chunks : demuxPayloads(chunks)) {
    // As in Kubernetes, the limit may cut a line.
    yield bytes.length > missingBytes ? bytes.subarray(0, missingBytes) : bytes;
    missingBytes -= bytes.length;
    if (missingBytes <= 0) return;
  }
}

async function* demuxPayloads(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of demux(chunks)) yield bytes;
}

/** Formats an RFC 3339 time for the engine: seconds since 1970 with nine digits of fraction. */
export function toDockerTime(text: string): string {
  const seconds = Math.floor(Date.parse(text) / 1_000);
  const fraction = text.match(/:\d\d\.(\d{1,9})/)?.[1] ?? "0";
  return `${seconds}.${fraction.padEnd(9, "0")}`;
}

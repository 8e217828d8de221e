// SPDX-License-Identifier: Apache-2.0
/** Logs of a pod's containers on a Docker engine. */
import {
  demux,
  type DockerClient,
  inspectContainer,
  readContainerLog,
} from "../docker/mod.ts";
import type { LogsRequest } from "./runtime.ts";

/** See StreamRuntime.logs; the target is a container. Both outputs in the order in which the engine kept them. */
export async function* readLogs(
  client: DockerClient,
  request: LogsRequest & { containerId: string },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { containerId: id, limitBytes } = request;
  if (limitBytes !== undefined && limitBytes <= 0) return;
  const { Config } = await inspectContainer(client, id);
  const raw = await readContainerLog(client, {
    id,
    follow: request.follow,
    timestamps: request.timestamps,
    tailLines: request.tailLines,
    since: request.sinceTime === undefined
      ? undefined
      : toDockerTime(request.sinceTime),
    signal,
  });
  let left = limitBytes ?? Infinity;
  for await (const bytes of Config.Tty ? raw : payloads(raw)) {
    // Cut in the middle of a line is right: limitBytes says bytes.
    yield bytes.length > left ? bytes.subarray(0, left) : bytes;
    left -= bytes.length;
    if (left <= 0) return;
  }
}

async function* payloads(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of demux(chunks)) yield bytes;
}

/** RFC 3339 as the engine wants it: seconds since 1970, with all digits of the fraction. */
export function toDockerTime(text: string): string {
  const seconds = Math.floor(Date.parse(text) / 1_000);
  const fraction = text.match(/:\d\d\.(\d{1,9})/)?.[1] ?? "0";
  return `${seconds}.${fraction.padEnd(9, "0")}`;
}

// SPDX-License-Identifier: Apache-2.0
/** Calls about the engine itself. */
import type { DockerClient } from "./client.ts";
import { readJsonLines } from "./json_lines.ts";
import type { EngineEvent, SystemInfo } from "./shapes.ts";

const INFO_TIMEOUT_MS = 15_000;

/** Returns the engine's version, root directory and machine. */
export function readSystemInfo(
  client: DockerClient,
  signal?: AbortSignal,
): Promise<SystemInfo> {
  return client.request({
    method: "GET",
    path: "/info",
    action: "Cannot read Docker's system information",
    timeoutMs: INFO_TIMEOUT_MS,
    signal,
  });
}

/** Options of {@linkcode watchEvents}. */
export interface WatchEventsOptions {
  /** Label that the containers have, "name" or "name=value". */
  label: string;
  /** Kinds of events, e.g. "start" or "die". */
  actions: string[];
  /** Ends the stream; its reason is thrown to the reader. */
  signal: AbortSignal;
}

/**
 * Watches events of containers. Resolves when the engine has begun to send; the stream ends with
 * the engine or the signal.
 */
export async function watchEvents(
  client: DockerClient,
  { label, actions, signal }: WatchEventsOptions,
): Promise<AsyncIterable<EngineEvent>> {
  const chunks = await client.stream({
    method: "GET",
    path: "/events",
    query: {
      filters: JSON.stringify({
        type: ["container"],
        label: [label],
        event: actions,
      }),
    },
    action: "Cannot watch Docker's events",
    signal,
  });
  return readJsonLines<EngineEvent>(chunks);
}

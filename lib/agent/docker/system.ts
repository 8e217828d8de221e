// SPDX-License-Identifier: Apache-2.0
/** Calls about networks and the engine itself. */
import type { DockerClient } from "./client.ts";
import { readJsonLines } from "./json_lines.ts";
import type { EngineEvent, NetworkInspect, SystemInfo } from "./shapes.ts";

/** The engine about itself. */
export function readSystemInfo(
  client: DockerClient,
  signal?: AbortSignal,
): Promise<SystemInfo> {
  return client.request({
    method: "GET",
    path: "/info",
    action: "Cannot ask Docker about itself",
    timeoutMs: 15_000,
    signal,
  });
}

/** Looks at a network. @throws {AranyaError} "not_found" */
export function inspectNetwork(
  client: DockerClient,
  name: string,
): Promise<NetworkInspect> {
  return client.request({
    method: "GET",
    path: `/networks/${encodeURIComponent(name)}`,
    action: `Cannot find network "${name}"`,
  });
}

/** Options of {@linkcode createNetwork}. */
export interface CreateNetworkOptions {
  name: string;
  /** Empty: the engine's choice. */
  subnet: string;
  labels: Record<string, string>;
  /** Of the bridge driver. */
  driverOptions: Record<string, string>;
}

/** Creates a bridge network. @throws {AranyaError} "conflict" when the name is taken, "forbidden" or "internal" when the range overlaps another */
export async function createNetwork(
  client: DockerClient,
  options: CreateNetworkOptions,
): Promise<void> {
  await client.request({
    method: "POST",
    path: "/networks/create",
    body: {
      Name: options.name,
      CheckDuplicate: true,
      Driver: "bridge",
      Labels: options.labels,
      Options: options.driverOptions,
      ...(options.subnet === ""
        ? {}
        : { IPAM: { Config: [{ Subnet: options.subnet }] } }),
    },
    action: `Cannot create network "${options.name}"`,
  });
}

/** Removes a network. @throws {AranyaError} "not_found", "forbidden" while it is in use */
export async function removeNetwork(
  client: DockerClient,
  name: string,
): Promise<void> {
  await client.request({
    method: "DELETE",
    path: `/networks/${encodeURIComponent(name)}`,
    action: `Cannot remove network "${name}"`,
  });
}

/** Events of containers with this label as they happen; resolves when the engine listens. Ends with the signal or the engine. */
export async function watchEvents(
  client: DockerClient,
  options: { label: string; actions: string[]; signal: AbortSignal },
): Promise<AsyncIterable<EngineEvent>> {
  const lines = await client.stream({
    method: "GET",
    path: "/events",
    query: {
      filters: JSON.stringify({
        type: ["container"],
        label: [options.label],
        event: options.actions,
      }),
    },
    action: "Cannot watch Docker's events",
    signal: options.signal,
  });
  return readJsonLines<EngineEvent>(lines);
}

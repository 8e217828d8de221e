// SPDX-License-Identifier: Apache-2.0
/** Calls about networks. */
import { defined } from "../../shared/base/mod.ts";
import type { DockerClient } from "./client.ts";
import type { NetworkInspect } from "./shapes.ts";

/** Returns the state of a network. @throws {AranyaError} code "not_found" */
export function inspectNetwork(
  client: DockerClient,
  name: string,
): Promise<NetworkInspect> {
  return client.request({
    method: "GET",
    path: `/networks/${encodeURIComponent(name)}`,
    action: `Cannot inspect network "${name}"`,
  });
}

/** Options of {@linkcode createNetwork}. */
export interface CreateNetworkOptions {
  name: string;
  /** In CIDR notation; empty lets the engine choose. */
  subnet: string;
  labels: Record<string, string>;
}

/**
 * Creates a bridge network.
 * @throws {AranyaError} code "conflict" when the name is taken; "forbidden" or "internal" when the
 * subnet overlaps another network
 */
export async function createNetwork(
  client: DockerClient,
  { name, subnet, labels }: CreateNetworkOptions,
): Promise<void> {
  await client.request({
    method: "POST",
    path: "/networks/create",
    body: {
      Name: name,
      CheckDuplicate: true,
      Driver: "bridge",
      Labels: labels,
      Options: {},
      ...defined({
        IPAM: subnet === "" ? undefined : { Config: [{ Subnet: subnet }] },
      }),
    },
    action: `Cannot create network "${name}"`,
  });
}

/** Removes a network. @throws {AranyaError} code "not_found", or "forbidden" while it is in use */
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

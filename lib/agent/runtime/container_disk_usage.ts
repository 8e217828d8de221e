// SPDX-License-Identifier: Apache-2.0
/** Space that pods' containers take on the disk of a Docker engine. */
import {
  type DockerClient,
  listContainers,
  readSystemInfo,
} from "../docker/mod.ts";
import type { HostMachine } from "../host/mod.ts";
import { DEVICE_LABEL, fromLabels } from "./labels.ts";
import type { ContainerDiskUsage } from "./runtime.ts";

/** Options of {@linkcode readContainerDiskUsage}. */
export interface ReadContainerDiskUsageOptions {
  client: DockerClient;
  /** The engine's machine. Logs of an engine on another machine don't count. */
  machine: Pick<HostMachine, "measureFiles">;
  /** Name of the device. */
  device: string;
}

/** Returns the usage of every container but the infra containers, running or not. */
export async function readContainerDiskUsage(
  { client, machine, device }: ReadContainerDiskUsageOptions,
): Promise<ContainerDiskUsage[]> {
  const { DockerRootDir } = await readSystemInfo(client);
  const containers = await listContainers(client, {
    hasSize: true,
    labels: [`${DEVICE_LABEL}=${device}`],
  });
  const usages: ContainerDiskUsage[] = [];
  for (const { Id, Labels, SizeRw = 0 } of containers) {
    const identity = fromLabels(Labels);
    if (!identity || identity.kind === "sandbox") continue;
    // Where the engine's logging driver json-file keeps them.
    const logBytes = await machine.measureFiles(
      `${DockerRootDir}/containers/${Id}`,
    );
    usages.push({
      podUid: identity.podUid,
      container: identity.container,
      usedBytes: SizeRw + logBytes,
    });
  }
  return usages;
}

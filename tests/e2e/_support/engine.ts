// SPDX-License-Identifier: Apache-2.0
/** What a device's Docker engine and its mounts hold. */
import type { World } from "../../../dev/world/mod.ts";
import { mustDevice } from "./scenario.ts";

/**
 * Ids of containers, names of networks without Docker's own, names of volumes, and mount points of
 * pods.
 */
export interface EngineState {
  containers: string[];
  networks: string[];
  volumes: string[];
  mounts: string[];
}

/** Directories of a device's engine and agent, beside the world's own. */
const ROOTS = ["/var/lib/docker/", "/run/docker/", "/var/lib/aranya/"];

/**
 * Reads the state of the first device's engine. A device also has the mounts that other programs of
 * this machine made before; those don't count.
 */
export async function engineState(world: World): Promise<EngineState> {
  const roots = [...ROOTS, `${world.network.folder}/`];
  const { dockerd, machine } = mustDevice(world);
  const lines = async (...args: string[]) =>
    (await dockerd.run(args)).split("\n").filter(Boolean);
  const mounts = await machine.run("cat", { args: ["/proc/self/mounts"] });
  return {
    containers: await lines("ps", "-aq"),
    networks: (await lines("network", "ls", "--format", "{{.Name}}"))
      .filter((one) => !["bridge", "host", "none"].includes(one)),
    volumes: await lines("volume", "ls", "-q"),
    mounts: mounts.split("\n").map((line) => line.split(" ")[1] ?? "")
      .filter((path) => /volumes|overlay2|netns\/|containers\//.test(path))
      .filter((path) => roots.some((root) => path.startsWith(root)))
      .sort(),
  };
}

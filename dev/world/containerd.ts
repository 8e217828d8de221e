// SPDX-License-Identifier: Apache-2.0
/** containerd on a machine of the test world, as the container runtime of a real kubelet. */
import { ensureProgram } from "../build/debian.ts";
import {
  buildInfraArchive,
  INFRA_IMAGE,
} from "../../lib/agent/runtime/infra_image.ts";
import { join } from "../base/paths.ts";
import { withImageArchive } from "./images.ts";
import { type Launched, untilReady } from "./launch.ts";
import type { Machine } from "./machine.ts";

/** Path of its socket on the machine. */
export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";
/** Range of its pods' addresses. */
const POD_RANGE = "10.88.0.0/24";
/** Where Debian's package puts the CNI plug-ins. */
const CNI_PROGRAMS = "/usr/lib/cni";
const ARCH = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/** A running containerd with the test images. Its machine must be an isolated one. */
export class Containerd implements AsyncDisposable {
  readonly #program: Launched;

  private constructor(program: Launched) {
    this.#program = program;
  }

  /**
   * Starts it and imports the test images.
   * @throws {AranyaError} "not_found" when a program is absent and can't be installed
   */
  static async start(
    options: { machine: Machine; logs: string },
  ): Promise<Containerd> {
    const { machine, logs } = options;
    const program = await ensureProgram("containerd", {
      package: "containerd",
    });
    await ensureProgram("runc", { package: "runc" });
    await ensureProgram("iptables", { package: "iptables" });
    await ensureProgram("host-local", {
      package: "containernetworking-plugins",
      folder: CNI_PROGRAMS,
    });
    const launched = await machine.launch(program, {
      name: "containerd",
      args: ["--config", await writeConfig(machine)],
      log: join(logs, `containerd-${machine.name}.log`),
      graceMs: 10_000,
    });
    try {
      await untilReady(
        launched,
        async () => (await ctr(machine, ["version"])).code === 0,
        { what: "an answering containerd" },
      );
      await importImages(machine);
      return new Containerd(launched);
    } catch (error) {
      await launched[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Stops it; containers end with their machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}

function ctr(
  machine: Machine,
  args: string[],
): ReturnType<Machine["tryRun"]> {
  return machine.tryRun("ctr", { args: ["--namespace", "k8s.io", ...args] });
}

async function importImages(machine: Machine): Promise<void> {
  const load = (path: string) =>
    machine.run("ctr", {
      args: ["--namespace", "k8s.io", "images", "import", path],
    });
  await withImageArchive(load);
  const infra = join(machine.folder, "infra.tar");
  await Deno.writeFile(infra, await buildInfraArchive(ARCH));
  await load(infra);
}

/** Writes the settings of containerd 1.6 and of its CNI network; returns the path. */
async function writeConfig(machine: Machine): Promise<string> {
  const network = join(machine.folder, "cni");
  await Deno.mkdir(network, { recursive: true });
  await Deno.writeTextFile(
    join(network, "10-pods.conflist"),
    JSON.stringify(POD_NETWORK),
  );
  const path = join(machine.folder, "containerd.toml");
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  await Deno.writeTextFile(
    path,
    `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [${
      ["internal.v1.opt", "snapshotter.v1.btrfs", "snapshotter.v1.zfs"]
        .concat("snapshotter.v1.devmapper")
        .map((one) => `"io.containerd.${one}"`).join(", ")
    }]
[grpc]
address = "${CONTAINERD_SOCKET}"
[${cri}]
sandbox_image = "docker.io/${INFRA_IMAGE}"
disable_apparmor = true
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
netns_mounts_under_state_dir = true
[${cri}.cni]
bin_dir = "${CNI_PROGRAMS}"
conf_dir = "${network}"
`,
  );
  return path;
}

const POD_NETWORK = {
  cniVersion: "0.4.0",
  name: "pods",
  plugins: [{
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: POD_RANGE }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  }, { type: "portmap", capabilities: { portMappings: true } }],
};

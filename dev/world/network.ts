// SPDX-License-Identifier: Apache-2.0
/**
 * The test world's network: one machine for the control plane and the operator, one per device, and
 * a bridge on the first that connects them. The addresses exist only in network namespaces, so that
 * worlds that run at the same time don't collide. Without root, all machines are this machine.
 */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import {
  keepWorldFolder,
  makeWorldFolder,
  removeWorldFolder,
} from "./leftovers.ts";
import { type Machine, startMachine, thisMachine } from "./machine.ts";
import { join } from "../base/paths.ts";
import { run } from "../base/run.ts";

const SUBNET = "10.213.0";
const MTU = "1500";

/** Returns whether this process may make network namespaces: root, on Linux. */
export function canIsolate(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0;
}

/** Machines connected by a network. */
export class Network implements AsyncDisposable {
  /** The machine of the API server and the operator. */
  readonly controlPlane: Machine;
  /** The world's folder; logs are in its folder `logs`. */
  readonly folder: string;
  readonly #devices = new Map<string, Machine>();
  #addressCount = 1;
  #keepsFolder = false;

  private constructor(controlPlane: Machine, folder: string) {
    this.controlPlane = controlPlane;
    this.folder = folder;
  }

  /**
   * Makes the control plane's machine.
   * @param options.isolated whether machines are namespaces; by default as root
   */
  static async start(options: { isolated?: boolean } = {}): Promise<Network> {
    const isolated = options.isolated ?? canIsolate();
    const folder = await makeWorldFolder();
    await Deno.mkdir(join(folder, "logs"));
    const own = join(folder, "control-plane");
    await Deno.mkdir(own);
    if (!isolated) return new Network(thisMachine(own), folder);
    try {
      await run("mount", { args: ["--bind", folder, folder] });
      await run("mount", { args: ["--make-shared", folder] });
      const machine = await startMachine({
        name: "control-plane",
        address: `${SUBNET}.1`,
        folder: own,
        cgroup: "",
      });
      await setUpBridge(machine);
      return new Network(machine, folder);
    } catch (error) {
      await removeWorldFolder(folder);
      throw error;
    }
  }

  /** Adds a device's machine. @throws {AranyaError} "already_exists" */
  async addDevice(name: string): Promise<Machine> {
    if (this.#devices.has(name)) {
      throw new AranyaError(
        "already_exists",
        `Cannot add device ${name}: the network has one of that name`,
      );
    }
    const folder = join(this.folder, name);
    await Deno.mkdir(folder, { recursive: true });
    if (!this.controlPlane.isIsolated) {
      const machine = thisMachine(folder);
      this.#devices.set(name, machine);
      return machine;
    }
    const index = ++this.#addressCount;
    const address = `${SUBNET}.${index}`;
    const machine = await startMachine({
      name,
      address,
      folder,
      cgroup: `/${this.folder.split("/").at(-1)}/${name}`,
      ownState: true,
    });
    this.#devices.set(name, machine);
    await this.#connect(machine, toPortName(address));
    return machine;
  }

  /**
   * Ends a device's machine like a power failure: processes and mounts end, its disk (`folder`)
   * stays.
   */
  async removeDevice(name: string): Promise<void> {
    const machine = this.#devices.get(name);
    this.#devices.delete(name);
    await machine?.[Symbol.asyncDispose]();
  }

  /**
   * Cuts a device's machine off, like a pulled cable: whatever it sends, or is sent to it, is lost
   * without an error.
   */
  async disconnect(name: string): Promise<void> {
    await this.controlPlane.run("ip", {
      args: `link set ${this.#portOf(name)} nomaster`.split(" "),
    });
  }

  /** Ends what {@linkcode disconnect} did. */
  async reconnect(name: string): Promise<void> {
    await this.controlPlane.run("ip", {
      args: `link set ${this.#portOf(name)} master br0`.split(" "),
    });
  }

  /** Makes disposal keep the folder, for a person who reads its logs. */
  keepFolder(): void {
    this.#keepsFolder = true;
  }

  async #connect(machine: Machine, port: string): Promise<void> {
    const bridge = this.controlPlane;
    await machine.run("ip", {
      args: `link add eth0 mtu ${MTU} type veth peer name ${port}`.split(" "),
    });
    // Process ids of one machine are unknown in another, so the interface is moved from here.
    const [pid] = machine.pathOf("").match(/\d+/) ?? [];
    const [target] = bridge.pathOf("").match(/\d+/) ?? [];
    await run("nsenter", {
      args: [
        "-t",
        `${pid}`,
        "-n",
        "ip",
        "link",
        "set",
        port,
        "netns",
        `${target}`,
      ],
    });
    await bridge.run("ip", {
      args: `link set ${port} master br0 up`.split(" "),
    });
    await machine.run("sh", {
      args: [
        "-ec",
        `ip addr add ${machine.address}/24 dev eth0; ip link set eth0 up`,
      ],
    });
  }

  #portOf(name: string): string {
    const machine = this.#devices.get(name);
    if (machine) return toPortName(machine.address);
    throw new AranyaError(
      "not_found",
      `Cannot find device ${name}: the network has none of that name`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#devices.values()) {
      await machine[Symbol.asyncDispose]();
    }
    await this.controlPlane[Symbol.asyncDispose]();
    if (this.#keepsFolder) await keepWorldFolder(this.folder);
    else await removeWorldFolder(this.folder);
  }
}

async function setUpBridge(machine: Machine): Promise<void> {
  await machine.run("sh", {
    args: [
      "-ec",
      `ip link add br0 mtu ${MTU} type bridge; ip addr add ${machine.address}/24 dev br0; ip link set br0 up`,
    ],
  });
}

/** Returns the name of a machine's port on the bridge. */
function toPortName(address: string): string {
  return `dev${address.split(".").at(-1)}`;
}

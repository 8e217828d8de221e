// SPDX-License-Identifier: Apache-2.0
/**
 * A Docker engine on a machine of the test world; without root, the engine that runs on this
 * machine.
 */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { ensureProgram } from "../build/debian.ts";
import { loadImages } from "./images.ts";
import { type Launched, untilReady } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { canIsolate, Network } from "./network.ts";
import { join } from "../base/paths.ts";
import { run, type RunOptions, type RunResult, tryRun } from "../base/run.ts";

const DATA_DIR = "/var/lib/docker";

/** Options of {@linkcode Dockerd.start}. */
export interface DockerdOptions {
  /** Where it runs. @default a new machine of a new network */
  machine?: Machine;
  /** Folder for its log. @default the machine's */
  logs?: string;
  /** Whether the test images are loaded. @default true */
  images?: boolean;
  /** Size of a disk of its own for images and containers. @default that of this machine */
  diskMebibytes?: number;
}

/**
 * A running engine. Its paths on the machine are Docker's defaults (`/var/run/docker.sock`,
 * `/var/lib/docker`).
 */
export class Dockerd implements AsyncDisposable {
  readonly machine: Machine;
  /** Path of its socket for this process. */
  readonly socket: string;
  readonly #closes: AsyncDisposableStack;
  readonly #logs: string;
  #program: Launched | undefined;

  private constructor(
    options: {
      machine: Machine;
      socket: string;
      logs: string;
      closes: AsyncDisposableStack;
    },
  ) {
    this.machine = options.machine;
    this.socket = options.socket;
    this.#logs = options.logs;
    this.#closes = options.closes;
  }

  /**
   * Starts it and loads the test images.
   * @throws {AranyaError} "not_found" when no engine can be started or found
   */
  static async start(options: DockerdOptions = {}): Promise<Dockerd> {
    const closes = new AsyncDisposableStack();
    try {
      const machine = options.machine ??
        await closes.use(await Network.start()).addDevice("engine");
      const logs = options.logs ?? machine.folder;
      const socket = machine.isIsolated
        ? machine.pathOf("/run/docker.sock")
        : presentSocket();
      const dockerd = new Dockerd({ machine, socket, logs, closes });
      if (machine.isIsolated) {
        await mountDisk(machine, options.diskMebibytes);
        closes.defer(() => dockerd.stop());
        await dockerd.restart();
      } else await dockerd.#mustAnswer();
      if (options.images !== false) {
        await loadImages((args) => dockerd.run(args));
      }
      return dockerd;
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  /** Stops the engine, if it runs, and starts it. */
  async restart(): Promise<void> {
    await this.stop();
    await ensureProgram("iptables", { package: "iptables" });
    const group = this.machine.cgroup;
    this.#program = await this.machine.launch(
      await ensureProgram("dockerd", { package: "docker.io" }),
      {
        name: "dockerd",
        log: join(this.#logs, `dockerd-${this.machine.name}.log`),
        args: group ? [`--cgroup-parent=${group}`] : [],
        graceMs: 15_000,
      },
    );
    await untilReady(
      this.#program,
      async () => (await this.tryRun(["version"])).code === 0,
      { what: "an answering dockerd" },
    );
  }

  /**
   * Stops the engine like `systemctl stop docker`; does nothing to an engine that it did not start.
   */
  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  /** Runs the docker client and returns its output. @throws {AranyaError} unless it exits 0 */
  async run(
    args: string[],
    options: Omit<RunOptions, "args"> = {},
  ): Promise<string> {
    return (await run(await this.#client(), {
      ...options,
      args: this.#arguments(args),
    })).trim();
  }

  /** Runs the docker client, whatever its exit code. */
  async tryRun(
    args: string[],
    options: Omit<RunOptions, "args"> = {},
  ): Promise<RunResult> {
    return await tryRun(await this.#client(), {
      ...options,
      args: this.#arguments(args),
    });
  }

  async #client(): Promise<string> {
    return await ensureProgram("docker", { package: "docker.io" });
  }

  #arguments(args: string[]): string[] {
    return [`--host=unix://${this.socket}`, ...args];
  }

  async #mustAnswer(): Promise<void> {
    const result = await tryRun("docker", {
      args: this.#arguments(["version"]),
    })
      .catch((error) => ({ code: 1, stderr: String(error.message) }));
    if (result.code === 0) return;
    throw new AranyaError(
      "not_found",
      `Cannot use a Docker engine: none answers at ${this.socket}, expected one there, or root to start one`,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closes.disposeAsync();
  }
}

/** Gives an engine a disk of its own, in memory. It ends with the machine. */
async function mountDisk(
  machine: Machine,
  mebibytes: number | undefined,
): Promise<void> {
  if (mebibytes === undefined) return;
  await machine.run("mkdir", { args: ["-p", DATA_DIR] });
  await machine.run("mount", {
    args: ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", DATA_DIR],
  });
}

/** Installs what an engine needs. Returns in one line why it can't run, or undefined. */
export async function prepareEngine(): Promise<string | undefined> {
  try {
    await ensureProgram("busybox", { package: "busybox-static" });
    if (canIsolate()) {
      await ensureProgram("dockerd", { package: "docker.io" });
      await ensureProgram("iptables", { package: "iptables" });
    }
    await ensureProgram("docker", { package: "docker.io" });
    return undefined;
  } catch (error) {
    if (error instanceof AranyaError && error.code === "not_found") {
      return error.message;
    }
    throw error;
  }
}

/**
 * Returns the socket of this machine's engine: DOCKER_HOST when it names one, else Docker's
 * default.
 */
function presentSocket(): string {
  const host = Deno.env.get("DOCKER_HOST") ?? "";
  return host.startsWith("unix://")
    ? host.slice("unix://".length)
    : "/var/run/docker.sock";
}

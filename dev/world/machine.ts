// SPDX-License-Identifier: Apache-2.0
/**
 * Machines of the test world. One is a set of Linux namespaces (network, mounts, processes, host
 * name) whose first process waits for its standard input to end. When the process that made it
 * ends, in whatever way, the kernel ends all its processes and removes its mounts and its network.
 * Without root, this machine is the only one.
 */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { removeCgroups } from "./leftovers.ts";
import {
  childOf,
  launch,
  type Launched,
  type LaunchOptions,
  launchThrough,
} from "./launch.ts";
import { join, ROOT } from "../base/paths.ts";
import { run, type RunOptions, type RunResult, tryRun } from "../base/run.ts";

/** A machine on which programs run. */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** The address that other machines use for it; not a loopback address. */
  readonly address: string;
  /**
   * A folder on a disk, with the same path on the machine and here. Mounts in it here are visible
   * there.
   */
  readonly folder: string;
  /** Whether it is a set of namespaces; false for this machine. */
  readonly isIsolated: boolean;
  /**
   * Parent control group of its containers, e.g. `/aranya-12-ab/edge-1`; empty for Docker's
   * default.
   */
  readonly cgroup: string;
  /** Starts a program in the background; it is killed when the machine ends. */
  launch(program: string, options: LaunchOptions): Promise<Launched>;
  /**
   * Returns program and arguments that run a command on the machine, in its network and host name,
   * and with `inside` in its mounts and processes.
   */
  wrap(command: string[], options?: { inside?: boolean }): string[];
  /** Runs a command inside to its end, whatever its exit code. */
  tryRun(program: string, options?: RunOptions): Promise<RunResult>;
  /** Runs a command inside and returns its output. @throws {AranyaError} unless it exits 0 */
  run(program: string, options?: RunOptions): Promise<string>;
  /**
   * Returns the path by which this process reaches a path of the machine, e.g. its Docker socket.
   */
  pathOf(path: string): string;
  /** Returns a TCP port that nothing listens on at the moment. */
  freePort(): Promise<number>;
}

/** Options of {@linkcode startMachine}. */
export interface MachineOptions {
  name: string;
  address: string;
  folder: string;
  cgroup: string;
  /** Whether `/var/lib` is its own, and `/run` an own, empty one. @default false */
  ownState?: boolean;
}

/** Returns this machine, with the address that its default route uses. */
export function thisMachine(folder: string): Machine {
  return {
    name: Deno.hostname(),
    address: ownAddress(),
    folder,
    isIsolated: false,
    cgroup: "",
    launch,
    wrap: (command) => command,
    tryRun,
    run,
    pathOf: (path) => path,
    freePort,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * Makes a machine of namespaces.
 * @throws {AranyaError} code "forbidden" when this user may not make namespaces
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { name, folder, cgroup, ownState = false } = options;
  await Deno.mkdir(join(folder, "var-lib"), { recursive: true });
  await Deno.mkdir(join(folder, "etc"), { recursive: true });
  // The folder is the machine's disk: after a power failure it is the same machine with a new boot
  // id.
  await Deno.writeTextFile(
    join(folder, "etc/machine-id"),
    crypto.randomUUID().replaceAll("-", "") + "\n",
    { createNew: true },
  ).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
  await Deno.writeTextFile(
    join(folder, "etc/boot-id"),
    crypto.randomUUID() + "\n",
  );
  const child = new Deno.Command("setsid", {
    args: [
      "unshare",
      ..."--net --pid --fork --kill-child --mount --mount-proc --uts --propagation slave"
        .split(" "),
      "sh",
      join(ROOT, "dev/world/machine_init.sh"),
      name,
      folder,
      ownState ? "own" : "common",
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  // Held open until the machine ends: its end is what the first process waits for.
  const stdin = child.stdin.getWriter();
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const first = await reader.read();
  await reader.cancel();
  const init = first.done ? undefined : await childOf(child.pid, () => true);
  if (init === undefined) {
    await stdin.close().catch(() => {});
    await child.status;
    throw new AranyaError(
      "forbidden",
      `Cannot start machine ${name}: ${(await errors).trim()}`,
    );
  }
  return new NamespacedMachine({
    ...options,
    init,
    end: async () => {
      await stdin.close().catch(() => {});
      await child.status;
      await errors;
      await removeCgroups(cgroup);
    },
  });
}

class NamespacedMachine implements Machine {
  readonly isIsolated = true;
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly cgroup: string;
  readonly init: number;
  /** No other program uses this namespace's ports below the range for outgoing connections. */
  #nextPort = 6001;
  readonly #end: () => Promise<void>;

  constructor(
    options: MachineOptions & { init: number; end: () => Promise<void> },
  ) {
    this.name = options.name;
    this.address = options.address;
    this.folder = options.folder;
    this.cgroup = options.cgroup;
    this.init = options.init;
    this.#end = options.end;
  }

  wrap(command: string[], options: { inside?: boolean } = {}): string[] {
    const spaces = options.inside ? ["-n", "-u", "-m", "-p"] : ["-n"];
    return ["nsenter", "-t", String(this.init), ...spaces, "--", ...command];
  }

  launch(program: string, options: LaunchOptions): Promise<Launched> {
    return launchThrough(
      { prefix: this.wrap([], { inside: true }), isParent: true },
      [program, ...options.args ?? []],
      options,
    );
  }

  tryRun(program: string, options: RunOptions = {}): Promise<RunResult> {
    const [first = "", ...args] = this.wrap(
      [program, ...options.args ?? []],
      { inside: true },
    );
    return tryRun(first, { ...options, args });
  }

  run(program: string, options: RunOptions = {}): Promise<string> {
    const [first = "", ...args] = this.wrap(
      [program, ...options.args ?? []],
      { inside: true },
    );
    return run(first, { ...options, args });
  }

  pathOf(path: string): string {
    return `/proc/${this.init}/root${path}`;
  }

  freePort(): Promise<number> {
    return Promise.resolve(this.#nextPort++);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}

/** Below the ports of outgoing connections, and of the kubelet servers of an operator. */
const FREE_PORTS = { first: 10_000, count: 10_000 };
/** Ports that were returned: their listeners may not have started yet. */
const returnedPorts = new Set<number>();

/**
 * Returns a TCP port of this machine that nothing listens on, another one for each call. No
 * outgoing connection takes it before its listener starts, or while that is restarted.
 */
export function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const { first, count } = FREE_PORTS;
    const port = first + Math.floor(Math.random() * count);
    if (returnedPorts.has(port)) continue;
    try {
      using _listener = Deno.listen({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) continue;
      throw error;
    }
    returnedPorts.add(port);
    return Promise.resolve(port);
  }
  return Promise.reject(
    new AranyaError("unavailable", "Cannot find a free port: all are used"),
  );
}

/** Returns this machine's first IPv4 address that is neither loopback nor link-local. */
export function ownAddress(): string {
  const found = Deno.networkInterfaces().find((one) =>
    one.family === "IPv4" && !one.address.startsWith("127.") &&
    !one.address.startsWith("169.254.")
  );
  if (!found) {
    throw new AranyaError(
      "not_found",
      "Cannot find an address of this machine: it has only loopback ones",
    );
  }
  return found.address;
}

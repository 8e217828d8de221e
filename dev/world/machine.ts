// SPDX-License-Identifier: Apache-2.0
/**
 * The machines of the test world. One is a set of Linux namespaces (network, mounts, processes, host name) that lives as long as a first
 * process which waits for its standard input to end: when whoever made it goes, the kernel ends everything on it and takes its mounts
 * and network away. Without root there is only the machine we are on.
 */
import { AranyaError } from "../../lib/shared/base/mod.ts";
import { removeCgroups } from "./leftovers.ts";
import { launch, type Launched, launchThrough } from "./launch.ts";
import type { LaunchOptions } from "./launch.ts";
import { join, ROOT } from "../base/paths.ts";
import { run, type RunOptions, type RunResult, tryRun } from "../base/run.ts";
import { until } from "../base/wait.ts";

/** Where programs run. */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** The address that other machines reach it at; never a loopback one. */
  readonly address: string;
  /** A folder on a real disk, of the same name on the machine and here. What is mounted in it here shows there too. */
  readonly folder: string;
  /** Whether it is apart from the machine we are on. */
  readonly isIsolated: boolean;
  /** Control group that its containers belong under, e.g. `/aranya-12-ab/edge-1`; empty for Docker's own choice. */
  readonly cgroup: string;
  /** Starts a program that runs on; ended with the machine. */
  launch(program: string, options: LaunchOptions): Promise<Launched>;
  /** Program and arguments that run this command on the machine: its network and host name, and with `inside` its files and processes too. */
  wrap(command: string[], options?: { inside?: boolean }): string[];
  /** Runs a command inside to its end, whatever its exit code. */
  tryRun(program: string, options?: RunOptions): Promise<RunResult>;
  /** Runs a command inside; throws unless it exits 0. */
  run(program: string, options?: RunOptions): Promise<string>;
  /** How a path on the machine is named here, e.g. for its Docker socket. */
  pathOf(path: string): string;
  /** A TCP port that nothing listens on at the moment. */
  freePort(): Promise<number>;
}

/** How a machine is made. */
export interface MachineOptions {
  name: string;
  address: string;
  folder: string;
  cgroup: string;
  /** Folders of its own in place of the common ones: `/var/lib`, and an empty `/run`. @default false */
  ownState?: boolean;
}

/** The machine we are on, with the address that its default route uses. */
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
 * Makes a machine.
 * @throws {AranyaError} code "forbidden" when this user may not make namespaces
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { name, folder, cgroup, ownState = false } = options;
  await Deno.mkdir(join(folder, "var-lib"), { recursive: true });
  await Deno.mkdir(join(folder, "etc"), { recursive: true });
  // The folder is the machine's disk: after a power cut it is the same machine, started anew.
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
  const rope = child.stdin.getWriter();
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const first = await reader.read();
  await reader.cancel();
  const init = first.done ? undefined : await firstChild(child.pid);
  if (init === undefined) {
    await rope.close().catch(() => {});
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
      await rope.close().catch(() => {});
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
  /** The machine is new and ours: nobody else takes ports below the range for outgoing connections. */
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

/** A TCP port of this machine that nothing listens on at the moment. */
export function freePort(): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return Promise.resolve(listener.addr.port);
}

/** This machine's first address that is neither loopback nor link-local. */
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

async function firstChild(parent: number): Promise<number | undefined> {
  return await until(async () => {
    const text = await Deno.readTextFile(
      `/proc/${parent}/task/${parent}/children`,
    );
    return Number(text.trim().split(" ")[0]) || undefined;
  }, {
    what: `the first process behind ${parent}`,
    intervalMs: 5,
    timeoutMs: 5000,
  });
}

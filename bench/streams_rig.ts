// SPDX-License-Identifier: Apache-2.0
/**
 * Runs kubectl commands, measures their time and the CPU time and memory of operator and agent, and
 * prints a table.
 */
import { AranyaError, utf8 } from "../lib/shared/base/mod.ts";
import {
  type Dockerd,
  type Machine,
  NAMESPACE,
  type World,
} from "../dev/world/mod.ts";
import { tryRun } from "../dev/base/run.ts";

/** The device that is measured. */
export const DEVICE = "edge-1";

const CALL_COUNT = 20;
const TIMEOUT_MS = 180_000;
const MEGA = 1_000_000;
/** Linux counts CPU time in hundredths of a second. */
const MS_PER_TICK = 10;
/** Indexes of user and system time in /proc/PID/stat, counted after the program's name. */
const USER_TIME = 11;
const SYSTEM_TIME = 12;

/** Options of {@linkcode StreamsRig.measureRate}. */
export interface BytesOptions {
  /** Shell script in which `k` is kubectl in the operator's namespace. */
  script: string;
  /** Number of bytes that are carried, or "printed" when the script prints it. */
  byteCount: number | "printed";
  /** Expected output of the script. */
  expected?: string;
}

/** A world with one measured device, and the table of its measurements. */
export class StreamsRig {
  readonly world: World;
  readonly dockerd: Dockerd;
  /** Number of bytes for measurements of throughput. */
  readonly byteCount: number;
  /** Folder for files of the measurement. */
  readonly folder: string;

  private constructor(
    world: World,
    { dockerd, byteCount }: { dockerd: Dockerd; byteCount: number },
  ) {
    this.world = world;
    this.dockerd = dockerd;
    this.byteCount = byteCount;
    this.folder = world.network.folder;
  }

  /** Returns the rig of a world. @throws {AranyaError} "not_found" when its device has no engine */
  static of(world: World, { megabytes }: { megabytes: number }): StreamsRig {
    const dockerd = world.devices.get(DEVICE)?.dockerd;
    if (!dockerd) {
      throw new AranyaError(
        "not_found",
        "Cannot measure streams: the device has no engine",
      );
    }
    return new StreamsRig(world, { dockerd, byteCount: megabytes * MEGA });
  }

  /** The machine of kubectl. */
  get machine(): Machine {
    return this.world.kubectl.machine;
  }

  /** Prints a line of the table. */
  async printRow(name: string, value: string, note = ""): Promise<void> {
    const line = `${name.padEnd(32)} ${value.padStart(12)}  ${note}`;
    await Deno.stdout.write(utf8(`${line.trimEnd()}\n`));
  }

  /**
   * Runs a script that may use `k`, and returns its output.
   * @throws {AranyaError} unless it exits 0
   */
  async shell(script: string): Promise<string> {
    const { program, kubeconfig } = this.world.kubectl;
    const prelude =
      `k() { "${program}" --kubeconfig="${kubeconfig}" -n ${NAMESPACE} "$@"; }; set -eu; cd "${this.folder}";`;
    const [first = "", ...args] = this.machine.wrap([
      ...["sh", "-c", `${prelude} ${script}`],
    ]);
    const { code, stdout, stderr } = await tryRun(first, {
      args,
      timeoutMs: TIMEOUT_MS,
    });
    if (code !== 0) {
      throw new AranyaError(
        "internal",
        `Cannot measure: "${script}" exited with ${code}: ${stderr}`,
      );
    }
    return stdout.trim();
  }

  /**
   * Runs a script that carries bytes and prints a line with its rate.
   * @throws {AranyaError} when its output is not the expected one
   */
  async measureRate(name: string, options: BytesOptions): Promise<void> {
    const { script, expected } = options;
    const before = await this.#cpuMs();
    const startMs = performance.now();
    const output = await this.shell(script);
    const seconds = (performance.now() - startMs) / 1_000;
    const after = await this.#cpuMs();
    if (expected !== undefined && output !== expected) {
      throw new AranyaError(
        "internal",
        `Cannot measure ${name}: it printed "${output}", expected "${expected}"`,
      );
    }
    const byteCount = options.byteCount === "printed"
      ? Number(output)
      : options.byteCount;
    const per100 = (part: "operator" | "agent") =>
      ((after[part] - before[part]) / (byteCount / (100 * MEGA)) / 1_000)
        .toFixed(2);
    await this.printRow(
      name,
      `${(byteCount / MEGA / seconds).toFixed(1)} MB/s`,
      `CPU s per 100 MB: operator ${per100("operator")}, agent ${
        per100("agent")
      }`,
    );
  }

  /** Runs a command 20 times and prints a line with the median time. */
  async measureTime(name: string, args: string[]): Promise<void> {
    const times: number[] = [];
    for (let count = 0; count < CALL_COUNT; count++) {
      const startMs = performance.now();
      await this.world.run(...args);
      times.push(performance.now() - startMs);
    }
    await this.printRow(
      name,
      `${median(times).toFixed(0)} ms`,
      `p50 of ${CALL_COUNT}`,
    );
  }

  /** Prints lines with the memory of operator and agent. */
  async printMemory(when: string): Promise<void> {
    for (const [name, pid] of Object.entries(this.#pids())) {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      const kib = Number(status.match(/VmRSS:\s+(\d+)/)?.[1] ?? 0);
      await this.printRow(
        `${name} RSS, ${when}`,
        `${(kib / 1024).toFixed(0)} MiB`,
      );
    }
  }

  #pids(): Record<"operator" | "agent", number> {
    const operator = this.world.operator.program?.pid ?? 0;
    const agent = this.world.devices.get(DEVICE)?.agent.program?.pid ?? 0;
    return { operator, agent };
  }

  async #cpuMs(): Promise<Record<"operator" | "agent", number>> {
    const { operator, agent } = this.#pids();
    return { operator: await cpuMs(operator), agent: await cpuMs(agent) };
  }
}

/** Returns the median. */
export function median(values: number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function cpuMs(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) *
    MS_PER_TICK;
}

// SPDX-License-Identifier: Apache-2.0
/** The world of a measurement: commands through the real kubectl, their times, the CPU time and memory of our two ends, and the table. */
import { AranyaError, utf8 } from "../lib/shared/base/mod.ts";
import type { Dockerd } from "../dev/world/dockerd.ts";
import type { Machine } from "../dev/world/machine.ts";
import { NAMESPACE } from "../dev/world/operator.ts";
import { tryRun } from "../dev/base/run.ts";
import type { World } from "../dev/world/world.ts";

/** The device that is measured. */
export const DEVICE = "edge-1";

const CALL_COUNT = 20;
const TIMEOUT_MS = 180_000;
const MEGA = 1_000_000;
/** Linux counts CPU time in hundredths of a second. */
const MS_PER_TICK = 10;
/** Fields of /proc/PID/stat behind the program's name: user and system time. */
const USER_TIME = 11;
const SYSTEM_TIME = 12;

/** Options of {@linkcode Bench.bytes}. */
export interface BytesOptions {
  /** Shell script in which `k` is kubectl in the operator's namespace. */
  script: string;
  /** What goes through, in bytes, or "printed": the script prints it. */
  byteCount: number | "printed";
  /** What the script has to print. */
  expected?: string;
}

/** See the top of this file. */
export class Bench {
  readonly world: World;
  readonly dockerd: Dockerd;
  /** How much goes through where size matters. */
  readonly byteCount: number;
  /** A folder for the measurement's own files. */
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

  /** Of a world whose device has an engine. @throws {AranyaError} "not_found" when it has none */
  static of(world: World, { megabytes }: { megabytes: number }): Bench {
    const dockerd = world.devices.get(DEVICE)?.dockerd;
    if (!dockerd) {
      throw new AranyaError(
        "not_found",
        "Cannot measure streams: the device has no engine",
      );
    }
    return new Bench(world, { dockerd, byteCount: megabytes * MEGA });
  }

  /** The machine on which kubectl runs. */
  get machine(): Machine {
    return this.world.kubectl.machine;
  }

  /** Prints a line of the table. */
  async row(name: string, value: string, note = ""): Promise<void> {
    const line = `${name.padEnd(32)} ${value.padStart(12)}  ${note}`;
    await Deno.stdout.write(utf8(`${line.trimEnd()}\n`));
  }

  /** Runs a script with `k`; its output. @throws {AranyaError} unless it exits 0 */
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

  /** A line with the rate of a script that moves bytes. @throws {AranyaError} when it prints something else than expected */
  async bytes(name: string, options: BytesOptions): Promise<void> {
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
    await this.row(
      name,
      `${(byteCount / MEGA / seconds).toFixed(1)} MB/s`,
      `CPU s per 100 MB: operator ${per100("operator")}, agent ${
        per100("agent")
      }`,
    );
  }

  /** A line with the median time of a command. */
  async timeCalls(name: string, args: string[]): Promise<void> {
    const times: number[] = [];
    for (let count = 0; count < CALL_COUNT; count++) {
      const startMs = performance.now();
      await this.world.run(...args);
      times.push(performance.now() - startMs);
    }
    await this.row(
      name,
      `${median(times).toFixed(0)} ms`,
      `p50 of ${CALL_COUNT}`,
    );
  }

  /** Lines with the memory of both ends. */
  async memory(when: string): Promise<void> {
    for (const [name, pid] of Object.entries(this.#pids())) {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      const kib = Number(status.match(/VmRSS:\s+(\d+)/)?.[1] ?? 0);
      await this.row(`${name} RSS, ${when}`, `${(kib / 1024).toFixed(0)} MiB`);
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

/** The middle one. */
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

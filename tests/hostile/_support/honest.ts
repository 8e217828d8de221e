// SPDX-License-Identifier: Apache-2.0
/** What honest devices and their users experience: the records of honest_main.ts. */
import { until } from "../../../dev/base/wait.ts";
import { join } from "../../../dev/base/paths.ts";
import {
  type Launched,
  logTail,
  type Machine,
} from "../../../dev/world/mod.ts";

/** A device with its agent.yaml. */
export interface HonestDevice {
  name: string;
  /** Text of agent.yaml. */
  config: string;
}

/** Configuration of the process. */
export interface HonestConfig {
  /** Namespace of the devices. */
  namespace: string;
  /** Path of an administrator's kubeconfig. */
  kubeconfig: string;
  /** For state and files of the agents. */
  folder: string;
  /** Connected all along. */
  devices: HonestDevice[];
  /** Connects again and again. */
  reconnecting: HonestDevice;
}

/** Something that happened; `atMs` is when it began, in milliseconds since 1970. */
export type HonestRecord =
  | {
    kind: "request";
    device: string;
    call: string;
    lane: number;
    atMs: number;
    ms: number;
    error?: string;
  }
  | {
    kind: "reconnect";
    device: string;
    atMs: number;
    ms: number;
    error?: string;
  }
  | { kind: "up"; device: string; atMs: number }
  | {
    kind: "down" | "warning" | "failed";
    device: string;
    atMs: number;
    error: string;
  };

const MAIN = new URL("honest_main.ts", import.meta.url).pathname;
const LANE_COUNT = 3;

/** The running process. */
export class HonestSide implements AsyncDisposable {
  readonly #program: Launched;

  private constructor(program: Launched) {
    this.#program = program;
  }

  /** Starts it; does not wait for its devices. */
  static async start(
    machine: Machine,
    { config, logs }: { config: HonestConfig; logs: string },
  ): Promise<HonestSide> {
    const file = join(config.folder, "honest.json");
    await Deno.writeTextFile(file, JSON.stringify(config));
    return new HonestSide(
      await machine.launch(Deno.execPath(), {
        name: "honest devices",
        args: ["run", "-A", "--no-check", MAIN, file],
        log: join(logs, "honest.log"),
        graceMs: 0,
      }),
    );
  }

  /** Returns everything so far. */
  async read(): Promise<HonestRecord[]> {
    const text = await Deno.readTextFile(this.#program.log);
    return text.split("\n").slice(0, -1).filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }

  /**
   * Waits until every request that began before `untilMs` has ended, and one on each lane after it;
   * returns what happened since `fromMs`.
   */
  async readUntil(
    { fromMs, untilMs }: { fromMs: number; untilMs: number },
  ): Promise<HonestRecord[]> {
    const records = await until(async () => {
      const found = await this.read();
      const lanes = new Set(
        found.flatMap((one) =>
          one.kind === "request" && one.atMs >= untilMs ? [one.lane] : []
        ),
      );
      return lanes.size === LANE_COUNT &&
        found.some(({ kind, atMs }) =>
          kind === "reconnect" && atMs > untilMs
        ) && found;
    }, {
      what: "the end of all honest requests",
      timeoutMs: 45_000,
      detail: () => this.tail(),
    });
    return records.filter((one) => {
      const endMs = one.atMs + ("ms" in one ? one.ms : 0);
      return endMs >= fromMs;
    });
  }

  /** Returns the last records as text. */
  tail(): Promise<string> {
    return logTail(this.#program.log, 8);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The agent as users run it on a device: with its permission set and one configuration file. */
import { type Launched, logTail } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { dirname, join, ROOT } from "../base/paths.ts";

const MAIN = join(ROOT, "main.ts");
/**
 * A small young generation, so that buffers of streams are collected soon. Measured in
 * docs/dependencies.md.
 */
const V8_FLAGS = "--v8-flags=--optimize-for-size,--max-semi-space-size=1";

/** Options of {@linkcode Agent.start}. */
export interface AgentLaunchOptions {
  /** The device's machine. */
  machine: Machine;
  /** Content of agent.yaml. */
  config: string;
  /** Folder for its log. */
  logs: string;
  /** Name of the process and its log. @default "agent-<machine>" */
  name?: string;
  env?: Record<string, string>;
  /** @default "debug" */
  logLevel?: "debug" | "info";
}

/** A running agent. */
export class Agent implements AsyncDisposable {
  readonly machine: Machine;
  /** Path of its agent.yaml, the same on the machine and here. */
  readonly configFile: string;
  readonly log: string;
  readonly #name: string;
  readonly #env: Record<string, string>;
  readonly #logLevel: string;
  #program: Launched | undefined;

  private constructor(
    options: AgentLaunchOptions & { name: string; configFile: string },
  ) {
    this.machine = options.machine;
    this.configFile = options.configFile;
    this.#name = options.name;
    this.#env = options.env ?? {};
    this.#logLevel = options.logLevel ?? "debug";
    this.log = join(options.logs, `${options.name}.log`);
  }

  /** Writes agent.yaml and starts the agent; does not wait for its connection. */
  static async start(options: AgentLaunchOptions): Promise<Agent> {
    const { machine, config, name = `agent-${machine.name}` } = options;
    const configFile = join(machine.folder, name, "agent.yaml");
    await Deno.mkdir(dirname(configFile), { recursive: true });
    const agent = new Agent({ ...options, name, configFile });
    await agent.configure(config);
    await agent.restart();
    return agent;
  }

  /** Its process; undefined before the first start. */
  get program(): Launched | undefined {
    return this.#program;
  }

  /** Replaces agent.yaml; the next start reads it. */
  async configure(config: string): Promise<void> {
    await Deno.writeTextFile(this.configFile, config, { mode: 0o600 });
  }

  /** Kills it with SIGKILL. */
  async crash(): Promise<void> {
    this.#program?.kill("SIGKILL");
    await this.#program?.exited;
  }

  /** Sends SIGTERM and returns the exit code. */
  async stop(): Promise<number | undefined> {
    return await this.#program?.stop();
  }

  /** Stops it, if it runs, and starts it. */
  async restart(): Promise<void> {
    await this.stop();
    this.#program = await this.machine.launch(Deno.execPath(), {
      name: this.#name,
      args: [
        ...[
          "run",
          "-P=agent",
          "--no-prompt",
          V8_FLAGS,
          MAIN,
          "--mode",
          "agent",
        ],
        ...["--config", this.configFile, "--log-level", this.#logLevel],
      ],
      env: { NO_COLOR: "1", ...this.#env },
      log: this.log,
      graceMs: 10_000,
    });
  }

  /** Returns the end of its log, for a message. */
  logTail(): Promise<string> {
    return logTail(this.log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

// SPDX-License-Identifier: Apache-2.0
/** Our agent as users run it on a device: its permission set, and one file. */
import { type Launched, logTail } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { dirname, join, ROOT } from "../base/paths.ts";

const MAIN = join(ROOT, "main.ts");
/** A small young generation: what streams leave is collected soon. Measured in docs/dependencies.md. */
const V8_FLAGS = "--v8-flags=--optimize-for-size,--max-semi-space-size=1";

/** How an agent is started. */
export interface AgentOptions {
  /** The device's machine. */
  machine: Machine;
  /** Content of agent.yaml. */
  config: string;
  /** Folder for the log. */
  logs: string;
  /** Tells several apart. @default "agent-<machine>" */
  name?: string;
  env?: Record<string, string>;
  /** @default "debug" */
  logLevel?: "debug" | "info";
}

/** A running agent. */
export class Agent implements AsyncDisposable {
  readonly machine: Machine;
  /** Path of its agent.yaml, on the machine and here. */
  readonly configFile: string;
  readonly log: string;
  readonly #name: string;
  readonly #env: Record<string, string>;
  readonly #logLevel: string;
  #program: Launched | undefined;

  private constructor(
    options: AgentOptions & { name: string; configFile: string },
  ) {
    this.machine = options.machine;
    this.configFile = options.configFile;
    this.#name = options.name;
    this.#env = options.env ?? {};
    this.#logLevel = options.logLevel ?? "debug";
    this.log = join(options.logs, `${options.name}.log`);
  }

  /** Writes agent.yaml and starts the agent; it dials on its own, so nothing is awaited. */
  static async start(options: AgentOptions): Promise<Agent> {
    const { machine, config, name = `agent-${machine.name}` } = options;
    const configFile = join(machine.folder, name, "agent.yaml");
    await Deno.mkdir(dirname(configFile), { recursive: true });
    const agent = new Agent({ ...options, name, configFile });
    await agent.configure(config);
    await agent.restart();
    return agent;
  }

  /** Its process. */
  get program(): Launched | undefined {
    return this.#program;
  }

  /** Writes agent.yaml anew; the next start reads it. */
  async configure(config: string): Promise<void> {
    await Deno.writeTextFile(this.configFile, config, { mode: 0o600 });
  }

  /** SIGKILL, as a crash. */
  async crash(): Promise<void> {
    this.#program?.kill("SIGKILL");
    await this.#program?.exited;
  }

  /** SIGTERM and wait; the exit code. */
  async stop(): Promise<number | undefined> {
    return await this.#program?.stop();
  }

  /** Ends it, if it runs, and starts it again. */
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

  /** The end of its log, for messages. */
  logTail(): Promise<string> {
    return logTail(this.log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

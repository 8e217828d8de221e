// SPDX-License-Identifier: Apache-2.0
/** An agent in this process: everything is real except for the container engine and the host. */
import { SYSTEM_CLOCK } from "../../../lib/shared/base/mod.ts";
import { runAgent, type RunAgentOptions } from "../../../lib/agent/mod.ts";
import {
  type AgentConfig,
  DEFAULT_EVICTION,
} from "../../../lib/shared/config/mod.ts";
import { HostMounts } from "../../../lib/agent/host/mod.ts";
import {
  create,
  FactsSchema,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { FakeEngine } from "../pods/_support/fake_engine.ts";
import { RecordedLog } from "./recorded_log.ts";

/** The credential of the device. */
export const KEY: Uint8Array = new Uint8Array(32).fill(5);

/** An agent of the device "edge-1". It is started by the constructor. */
export class AgentFixture implements AsyncDisposable {
  readonly engine = new FakeEngine(SYSTEM_CLOCK);
  /** Directory of agent.yaml, key file and state. */
  readonly dir = Deno.makeTempDirSync();
  readonly config: AgentConfig;
  readonly log = new RecordedLog();
  readonly facts = create(FactsSchema, {
    os: "linux",
    machineId: "m1",
    bootId: "b1",
    addresses: ["192.0.2.1"],
  });
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(endpoint: string, changes: Partial<AgentConfig> = {}) {
    this.config = {
      device: "edge-1",
      endpoints: [endpoint],
      credential: KEY,
      insecure: true,
      host: { exec: true, attach: true, logs: true, portForward: true },
      pods: { privileged: true, hostPath: true, hostNamespaces: true },
      runtime: { docker: {} },
      eviction: DEFAULT_EVICTION,
      stateDir: `${this.dir}/state`,
      stateKeyFile: `${this.dir}/edge-1.key`,
      backoff: { initialDelayMs: 20, maxDelayMs: 200, factor: 1.5 },
      offlineAfterMs: 40_000,
      warnings: [],
      ...changes,
    };
    Deno.writeTextFileSync(
      this.configFile,
      `# mine\ndevice: edge-1\ncredential: ${
        btoa(String.fromCharCode(...KEY))
      } # secret\n`,
    );
    this.start();
  }

  get configFile(): string {
    return `${this.dir}/agent.yaml`;
  }

  /** Options of `runAgent`; aborting `stop` ends it. */
  createOptions(stop: AbortController): RunAgentOptions {
    return {
      config: this.config,
      configFile: this.configFile,
      version: "0.0.0",
      runtime: this.engine,
      streams: this.engine,
      reader: {
        readFacts: () => Promise.resolve(this.facts),
        restore: () => Promise.resolve(),
        readPressure: () =>
          Promise.resolve({
            exceeded: [],
            conditions: [],
            hasOneDisk: true,
            countsPodMemory: true,
          }),
        readStats: () =>
          Promise.resolve(create(StatsSchema, { timeUnixMs: 7n })),
      },
      mounts: new HostMounts(),
      log: this.log.logger,
      signal: stop.signal,
    };
  }

  /** Starts the agent again after `stop`. */
  start(): void {
    this.#stop = new AbortController();
    this.#running = runAgent(this.createOptions(this.#stop));
    this.#running.catch(() => {});
  }

  /** Stops the agent, as SIGTERM does. @throws the error that the agent failed with */
  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("stop", "AbortError"));
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
    await Deno.remove(this.dir, { recursive: true });
  }
}

// SPDX-License-Identifier: Apache-2.0
/** An agent in this process: everything real but the engine and the host, which do what a test says. */
import {
  type Logger,
  SILENT_LOGGER,
  SYSTEM_CLOCK,
} from "../../../lib/shared/base/mod.ts";
import { runAgent } from "../../../lib/agent/mod.ts";
import type { AgentConfig } from "../../../lib/shared/config/mod.ts";
import { TmpfsMounts } from "../../../lib/agent/host/mod.ts";
import type { DeviceReader } from "../../../lib/agent/runtime/mod.ts";
import {
  create,
  FactsSchema,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { FakeEngine } from "../pods/_support/fake_engine.ts";

/** A credential for tests. */
export const KEY: Uint8Array = new Uint8Array(32).fill(5);

/** Lines of an agent's log, messages only. */
export function createBook(): { lines: string[]; log: Logger } {
  const lines: string[] = [];
  const take = (message: string, fields?: { error?: unknown }) =>
    void lines.push(
      fields?.error instanceof Error
        ? `${message}: ${fields.error.message}`
        : message,
    );
  const log: Logger = {
    debug() {},
    info: take,
    warn: take,
    error: take,
    with: () => log,
  };
  return { lines, log };
}

/** See the file's head. */
export class RunningAgent implements AsyncDisposable {
  readonly engine = new FakeEngine(SYSTEM_CLOCK);
  readonly dir = Deno.makeTempDirSync();
  readonly config: AgentConfig;
  facts = create(FactsSchema, {
    os: "linux",
    machineId: "m1",
    bootId: "b1",
    addresses: ["192.0.2.1"],
  });
  readonly book = createBook();
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(endpoint: string, more: Partial<AgentConfig> = {}) {
    this.config = {
      device: "edge-1",
      endpoints: [endpoint],
      credential: KEY,
      insecure: true,
      host: { exec: true, attach: true, logs: true, portForward: true },
      runtime: { docker: {} },
      stateDir: `${this.dir}/state`,
      stateKeyFile: `${this.dir}/edge-1.key`,
      backoff: { initialDelayMs: 20, maxDelayMs: 200, factor: 1.5 },
      offlineAfterMs: 40_000,
      ...more,
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

  start(): void {
    this.#stop = new AbortController();
    const reader: DeviceReader = {
      readFacts: () => Promise.resolve(this.facts),
      readStats: () => Promise.resolve(create(StatsSchema, { timeUnixMs: 7n })),
    };
    this.#running = runAgent({
      config: this.config,
      configFile: this.configFile,
      version: "0.0.0",
      runtime: this.engine,
      streams: this.engine,
      reader,
      mounts: new TmpfsMounts(),
      log: this.book.log ?? SILENT_LOGGER,
      signal: this.#stop.signal,
    });
    this.#running.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("stop", "AbortError"));
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
    await Deno.remove(this.dir, { recursive: true });
  }
}

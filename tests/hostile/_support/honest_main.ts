// SPDX-License-Identifier: Apache-2.0
/**
 * The honest side of the suite, a process of its own so that attacks in the test's process don't
 * slow it down: agents of devices without an attacker, and a client that uses them through the API
 * server at a steady pace. Prints one line of JSON per {@linkcode HonestRecord}. Its argument is
 * the path of a file with {@linkcode HonestConfig}.
 */
import { SYSTEM_CLOCK, utf8 } from "../../../lib/shared/base/mod.ts";
import { parseAgentConfig } from "../../../lib/shared/config/mod.ts";
import {
  create,
  FactsSchema,
  StatsSchema,
} from "../../../lib/shared/wire/mod.ts";
import { HostMounts } from "../../../lib/agent/host/mod.ts";
import { runAgent } from "../../../lib/agent/mod.ts";
import { pause, until } from "../../../dev/base/wait.ts";
import { FakeEngine } from "../../agent/pods/_support/fake_engine.ts";
import { ApiserverClient } from "./apiserver_client.ts";
import type { HonestConfig, HonestDevice, HonestRecord } from "./honest.ts";

/** Requests at the same time. */
const LANE_COUNT = 3;
/** Time from one request of a lane to its next, in milliseconds. */
const PACE_MS = 250;
const RECONNECT_PAUSE_MS = 500;
const CONNECT_TIMEOUT_MS = 60_000;

function report(record: HonestRecord): void {
  // deno-lint-ignore no-console
  console.log(JSON.stringify(record));
}

/** One agent, with everything real but the engine. */
class HonestAgent {
  readonly #device: HonestDevice;
  readonly #folder: string;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  isConnected = false;

  constructor(device: HonestDevice, folder: string) {
    this.#device = device;
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const { name, config } = this.#device;
    const dir = `${this.#folder}/${name}`;
    await Deno.mkdir(dir, { recursive: true });
    const configFile = `${dir}/agent.yaml`;
    await Deno.writeTextFile(configFile, config);
    const engine = new FakeEngine(SYSTEM_CLOCK);
    this.#stop = new AbortController();
    this.#running = runAgent({
      config: {
        ...parseAgentConfig(config, { file: configFile }),
        stateDir: `${dir}/state`,
        stateKeyFile: `${dir}/state.key`,
      },
      configFile,
      version: "0.0.0",
      runtime: engine,
      streams: {
        exec: async ({ command }, io) => {
          // As /bin/yes does, until the client leaves.
          while (command[0] === "yes" && !io.signal.aborted) {
            await io.stdout(new Uint8Array(32_768));
          }
          return { code: 0 };
        },
        attach: () => Promise.resolve({ code: 0 }),
        async *logs() {
          yield utf8(`log of ${name}\n`);
        },
        connectPort: () => Promise.resolve(),
      },
      reader: {
        readFacts: () =>
          Promise.resolve(create(FactsSchema, {
            os: "linux",
            arch: "amd64",
            machineId: name,
            bootId: name,
            addresses: ["192.0.2.1"],
          })),
        restore: () => Promise.resolve(),
        readPressure: () =>
          Promise.resolve({
            exceeded: [],
            conditions: [],
            hasOneDisk: true,
            countsPodMemory: true,
          }),
        readStats: () =>
          Promise.resolve(
            create(StatsSchema, { timeUnixMs: BigInt(Date.now()) }),
          ),
      },
      mounts: new HostMounts(),
      log: this.#createLog(),
      signal: this.#stop.signal,
    });
    this.#running.catch((error) =>
      report({
        kind: "failed",
        device: name,
        atMs: Date.now(),
        error: String(error),
      })
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("stop", "AbortError"));
    await this.#running.catch(() => {});
  }

  #createLog() {
    const { name } = this.#device;
    const log = {
      debug() {},
      info: (message: string, fields: { reason?: string } = {}) => {
        if (message === "link is up") {
          this.isConnected = true;
          report({ kind: "up", device: name, atMs: Date.now() });
        }
        if (message === "link is down") {
          this.isConnected = false;
          report({
            kind: "down",
            device: name,
            atMs: Date.now(),
            error: fields.reason ?? "",
          });
        }
      },
      warn: (message: string, { error }: { error?: unknown } = {}) =>
        report({
          kind: "warning",
          device: name,
          atMs: Date.now(),
          error: `${message}: ${
            error instanceof Error ? error.message : error
          }`,
        }),
      error: (message: string) =>
        report({
          kind: "warning",
          device: name,
          atMs: Date.now(),
          error: message,
        }),
      with: () => log,
    };
    return log;
  }
}

/** Sends one request after the other, to each device in turn. */
async function useDevices(
  lane: number,
  { client, devices }: { client: ApiserverClient; devices: HonestDevice[] },
): Promise<void> {
  const calls = ["log", "stats", "exec"] as const;
  for (let count = lane;; count += LANE_COUNT) {
    const device = devices[count % devices.length]?.name ?? "";
    const call = calls[Math.floor(count / devices.length) % calls.length] ??
      "log";
    const atMs = Date.now();
    let error: string | undefined;
    try {
      await client[call](device);
    } catch (caught) {
      error = caught instanceof Error ? caught.message : String(caught);
    }
    const ms = Date.now() - atMs;
    report({
      kind: "request",
      device,
      call,
      lane,
      atMs,
      ms,
      ...error !== undefined && { error },
    });
    await pause(Math.max(0, PACE_MS - ms));
  }
}

/** Connects a device again and again, as one does that comes home during an attack. */
async function reconnect(device: HonestDevice, folder: string): Promise<void> {
  const agent = new HonestAgent(device, folder);
  for (;;) {
    const atMs = Date.now();
    let error: string | undefined;
    await agent.start();
    try {
      await until(() => agent.isConnected, {
        what: "a link",
        timeoutMs: CONNECT_TIMEOUT_MS,
      });
    } catch (caught) {
      error = String(caught);
    }
    const ms = Date.now() - atMs;
    report({
      kind: "reconnect",
      device: device.name,
      atMs,
      ms,
      ...error !== undefined && { error },
    });
    await agent.stop();
    agent.isConnected = false;
    await pause(RECONNECT_PAUSE_MS);
  }
}

if (import.meta.main) {
  const config: HonestConfig = JSON.parse(
    await Deno.readTextFile(Deno.args[0] ?? ""),
  );
  const { devices, reconnecting, folder } = config;
  for (const device of devices) await new HonestAgent(device, folder).start();
  const client = new ApiserverClient(config);
  await Promise.all([
    reconnect(reconnecting, folder),
    ...Array.from(
      { length: LANE_COUNT },
      (_, lane) => useDevices(lane, { client, devices }),
    ),
  ]);
}

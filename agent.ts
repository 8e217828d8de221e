// SPDX-License-Identifier: Apache-2.0
/**
 * The device side: reads agent.yaml, builds the rooms, runs until a signal. `main.ts --mode agent` comes here too.
 * The permission set `agent` keeps nothing from it but most of the environment: it runs programs (which as root is root), loads a native
 * module for terminals, and checks hostPath volumes anywhere. What the device's owner wants to withhold is withheld by agent.yaml.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { runAgent as serveDevice } from "./lib/agent/mod.ts";
import {
  AranyaError,
  asAranyaError,
  createLogger,
  type LogLevel,
  VERSION,
} from "./lib/shared/base/mod.ts";
import { type AgentConfig, parseAgentConfig } from "./lib/shared/config/mod.ts";
import { DockerHttpClient } from "./lib/agent/docker/mod.ts";
import { LocalMachine, TmpfsMounts } from "./lib/agent/host/mod.ts";
import {
  DockerDeviceReader,
  DockerRuntime,
  HostStreams,
  StreamRouter,
} from "./lib/agent/runtime/mod.ts";

const LEVELS: LogLevel[] = ["debug", "info", "warn", "error"];
/** What programs on the host are given of the agent's own environment. */
const HOST_ENV = ["PATH", "HOME", "USER", "SHELL", "LANG", "TZ"];
const STOP_TIMEOUT_MS = 4_000;

/** Runs the agent until SIGTERM or SIGINT. Gives the exit code: 0 after a signal, 2 when it can't begin. */
export async function runAgent(args: string[]): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => {
      stop.abort(new DOMException(`${signal} received`, "AbortError"));
      // What still hangs then is not worth waiting for.
      setTimeout(() => Deno.exit(0), STOP_TIMEOUT_MS);
    });
  }
  try {
    await build(args, stop.signal);
    return 0;
  } catch (error) {
    const { message } = asAranyaError(error, "Cannot start agent");
    await Deno.stderr.write(new TextEncoder().encode(`${message}\n`));
    return 2;
  }
}

async function build(args: string[], signal: AbortSignal): Promise<void> {
  const { configFile, level } = readFlags(args);
  const config = await readConfig(configFile);
  const log = createLogger({ level }).with({ device: config.device });
  // A last net: one pod's trouble must never take the others along.
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("a failure was not handled", { error: event.reason });
  });
  const client = new DockerHttpClient({
    host: config.runtime.docker.host ?? Deno.env.get("DOCKER_HOST") ??
      "unix:///var/run/docker.sock",
  });
  const machine = new LocalMachine({ env: hostEnv() });
  const runtime = new DockerRuntime({
    client,
    log,
    device: config.device,
    machine,
  });
  const { shell, logFile } = config.host;
  const stateDir = resolve(config.stateDir);
  await serveDevice({
    config: { ...config, stateDir },
    configFile,
    version: VERSION,
    runtime,
    streams: new StreamRouter({
      containers: runtime,
      host: new HostStreams({ machine, shell, logFile }),
    }),
    reader: new DockerDeviceReader({
      client,
      machine,
      containers: runtime,
      stateDir,
    }),
    mounts: new TmpfsMounts(),
    log,
    signal,
  });
}

function readFlags(args: string[]): { configFile: string; level: LogLevel } {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", default: "agent.yaml" },
      mode: { type: "string" },
      "log-level": { type: "string", default: "info" },
    },
  });
  const level = LEVELS.find((name) => name === values["log-level"]);
  if (!level) {
    throw new AranyaError(
      "invalid",
      `Cannot start agent: --log-level is none of ${LEVELS.join(", ")}`,
    );
  }
  return { configFile: resolve(values.config), level };
}

async function readConfig(file: string): Promise<AgentConfig> {
  const text = await Deno.readTextFile(file).catch((error: Error) => {
    throw new AranyaError("invalid", `Cannot read ${file}: ${error.message}`);
  });
  return parseAgentConfig(text, { file });
}

function hostEnv(): Record<string, string> {
  return Object.fromEntries(HOST_ENV.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

if (import.meta.main) Deno.exit(await runAgent(Deno.args));

// SPDX-License-Identifier: Apache-2.0
/**
 * The agent's flags, environment and signals; `main.ts --mode agent` starts it.
 *
 * The permission set `agent` in deno.json restricts little but the environment: the agent runs
 * programs (which can do anything when it is root), loads a native library for terminals, and
 * checks hostPath volumes at any path. What the owner of a device does not allow the cluster is
 * turned off in agent.yaml instead.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { DockerHttpClient } from "./lib/agent/docker/mod.ts";
import { HostMounts, LocalMachine } from "./lib/agent/host/mod.ts";
import { runAgent } from "./lib/agent/mod.ts";
import {
  DockerDeviceReader,
  DockerImageCollector,
  DockerRuntime,
  HostStreams,
  StreamRouter,
} from "./lib/agent/runtime/mod.ts";
import {
  AranyaError,
  asAranyaError,
  createLogger,
  type LogLevel,
  parseLogLevel,
  VERSION,
} from "./lib/shared/base/mod.ts";
import { type AgentConfig, parseAgentConfig } from "./lib/shared/config/mod.ts";

/** Variables of the agent's environment that commands on the host get. */
const HOST_ENV_NAMES = ["PATH", "HOME", "USER", "SHELL", "LANG", "TZ"];
const DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock";
/** How long the agent has to stop after a signal before the process exits. */
const STOP_TIMEOUT_MS = 4_000;

/**
 * Runs the agent until SIGTERM or SIGINT.
 * Returns the exit code: 0 after a signal, 2 when the agent can't start.
 */
export async function runAgentMode(args: string[]): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(name, () => {
      stop.abort(new DOMException(`received ${name}`, "AbortError"));
      setTimeout(() => Deno.exit(0), STOP_TIMEOUT_MS);
    });
  }
  try {
    await run(args, stop.signal);
    return 0;
  } catch (error) {
    const { message } = asAranyaError(error, "Cannot start agent");
    await Deno.stderr.write(new TextEncoder().encode(`${message}\n`));
    return 2;
  }
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const { configFile, level } = parseFlags(args);
  const config = await readConfig(configFile);
  const { device, host } = config;
  const log = createLogger({ level }).with({ device });
  // The last resort: a failure with one pod must not end the process that runs all.
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unhandled rejection", { error: event.reason });
  });
  const client = new DockerHttpClient({
    host: config.runtime.docker.host ?? Deno.env.get("DOCKER_HOST") ??
      DEFAULT_DOCKER_HOST,
  });
  const machine = new LocalMachine({ env: readHostEnv() });
  const runtime = new DockerRuntime({ client, log, device, machine });
  const stateDir = resolve(config.stateDir);
  await runAgent({
    config: { ...config, stateDir },
    configFile,
    version: VERSION,
    runtime,
    images: new DockerImageCollector({ client, machine, log }),
    streams: new StreamRouter({
      containers: runtime,
      host: new HostStreams({
        machine,
        shell: host.shell,
        logFile: host.logFile,
      }),
    }),
    reader: new DockerDeviceReader({
      client,
      machine,
      containers: runtime,
      stateDir,
    }),
    mounts: new HostMounts(),
    log,
    signal,
  });
}

/** @throws {AranyaError} code "invalid" for an unknown level; {TypeError} for an unknown flag */
function parseFlags(args: string[]): { configFile: string; level: LogLevel } {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", default: "agent.yaml" },
      mode: { type: "string" },
      "log-level": { type: "string", default: "info" },
    },
  });
  const level = parseLogLevel(values["log-level"]);
  if (!level) {
    throw new AranyaError(
      "invalid",
      `Cannot read flag --log-level: it is "${
        values["log-level"]
      }", expected debug, info, warn or error`,
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

function readHostEnv(): Record<string, string> {
  return Object.fromEntries(HOST_ENV_NAMES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

if (import.meta.main) Deno.exit(await runAgentMode(Deno.args));

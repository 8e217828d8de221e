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
  onStrayError,
  parseLogLevel,
  toFileReason,
  VERSION,
} from "./lib/shared/base/mod.ts";
import { type AgentConfig, parseAgentConfig } from "./lib/shared/config/mod.ts";

/** Text of --help. */
export const AGENT_USAGE = `Usage: main.ts --mode agent [flags]
  --config FILE                   agent.yaml of the device's Secret; default agent.yaml
  --log-level LEVEL               debug, info, warn or error; default info
Environment of the agent:
  DOCKER_HOST                     container engine, unless agent.yaml names one; default unix:///var/run/docker.sock
  PATH, HOME, USER, SHELL, LANG, TZ
                                  passed on to commands on the host
`;

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
    if (args.includes("--help") || args.includes("-h")) {
      await writeStderr(AGENT_USAGE);
      return 0;
    }
    await run(args, stop.signal);
    return 0;
  } catch (error) {
    const { message } = asAranyaError(error, "Cannot start agent");
    await writeStderr(`${message}\n`);
    return 2;
  }
}

async function writeStderr(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(text));
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const { configFile, level } = parseFlags(args);
  const config = await readConfig(configFile);
  const { device, host } = config;
  const log = createLogger({ level }).with({ device });
  onStrayError((error) => log.error("unexpected error", { error }));
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
      eviction: config.eviction,
      log,
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
  const text = await Deno.readTextFile(file).catch((cause) => {
    throw new AranyaError(
      "invalid",
      `Cannot read configuration ${JSON.stringify(file)}: ${
        toFileReason(cause)
      }, expected the agent.yaml of the device's Secret`,
      { cause },
    );
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

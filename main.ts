// SPDX-License-Identifier: Apache-2.0
/**
 * Entry point of both programs. Each mode is imported dynamically, so that an agent never loads the
 * Kubernetes client.
 */
import {
  AranyaError,
  asAranyaError,
  createLogger,
  formatEndpoint,
  onStrayError,
  VERSION,
} from "./lib/shared/base/mod.ts";

/**
 * How long the operator has to stop after a signal before the process exits; less than the grace
 * period in manifests/.
 */
const STOP_TIMEOUT_MS = 12_000;

/** Returns the value of --mode. All other flags are parsed by the mode. */
function modeOf(args: string[]): string | undefined {
  const index = args.indexOf("--mode");
  if (index >= 0) return args[index + 1];
  return args.find((arg) => arg.startsWith("--mode="))?.slice("--mode=".length);
}

function isHelp(args: string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}

/** Returns the value of a variable whose name may also be in lower case. */
function readEnv(name: string): string | undefined {
  return Deno.env.get(name) ?? Deno.env.get(name.toLowerCase());
}

function writeStderr(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Runs the operator until SIGTERM or SIGINT. Returns the exit code. */
async function runOperatorMode(args: string[]): Promise<number> {
  const { OPERATOR_USAGE, parseOperatorOptions, runOperator } = await import(
    "./lib/operator/mod.ts"
  );
  if (isHelp(args)) {
    writeStderr(OPERATOR_USAGE);
    return 0;
  }
  const options = parseOperatorOptions(args, {
    KUBECONFIG: Deno.env.get("KUBECONFIG"),
    POD_NAMESPACE: Deno.env.get("POD_NAMESPACE"),
  });
  const log = createLogger({ level: options.logLevel });
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(name, () => {
      // A second signal: stop at once.
      if (stop.signal.aborted) Deno.exit(1);
      stop.abort(
        new AranyaError("cancelled", `Cannot continue: received ${name}`),
      );
      setTimeout(() => {
        log.error("operator did not stop in time", { ms: STOP_TIMEOUT_MS });
        Deno.exit(1);
      }, STOP_TIMEOUT_MS);
    });
  }
  onStrayError((error) => log.error("unexpected error", { error }));
  const host = Deno.env.get("KUBERNETES_SERVICE_HOST");
  const port = Deno.env.get("KUBERNETES_SERVICE_PORT") ?? "443";
  await runOperator({
    options,
    version: VERSION,
    inClusterServer: host && formatEndpoint({ host, port }),
    proxyEnv: {
      HTTPS_PROXY: readEnv("HTTPS_PROXY"),
      NO_PROXY: readEnv("NO_PROXY"),
    },
    log,
    signal: stop.signal,
  });
  return 0;
}

async function main(args: string[]): Promise<number> {
  switch (modeOf(args)) {
    case "operator":
      return await runOperatorMode(args);
    case "agent": {
      const { runAgentMode } = await import("./agent.ts");
      return await runAgentMode(args);
    }
    default:
      return await explainModes(args);
  }
}

/** Prints the flags of both modes, after what is wrong unless they were asked for. */
async function explainModes(args: string[]): Promise<number> {
  const mode = modeOf(args);
  const isWrong = !isHelp(args) || mode !== undefined;
  if (isWrong) {
    const state = mode === undefined ? "it is not set" : `it is "${mode}"`;
    writeStderr(
      `Cannot read flag --mode: ${state}, expected operator or agent\n`,
    );
  }
  const { OPERATOR_USAGE } = await import("./lib/operator/mod.ts");
  const { AGENT_USAGE } = await import("./agent.ts");
  writeStderr(`${OPERATOR_USAGE}${AGENT_USAGE}`);
  return isWrong ? 2 : 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    writeStderr(`${asAranyaError(error, "Cannot start").message}\n`);
    Deno.exit(2);
  }
}

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
  VERSION,
} from "./lib/shared/base/mod.ts";

/** How long streams have to end with a reason after a signal, before the process exits. */
const STOP_TIMEOUT_MS = 4500;

const USAGE =
  "Usage: main.ts --mode operator|agent [flags]; see main.ts --mode operator --help\n";

/** Returns the value of --mode. All other flags are parsed by the mode. */
function modeOf(args: string[]): string | undefined {
  const index = args.indexOf("--mode");
  if (index >= 0) return args[index + 1];
  return args.find((arg) => arg.startsWith("--mode="))?.slice("--mode=".length);
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
  if (args.includes("--help") || args.includes("-h")) {
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
      stop.abort(
        new AranyaError("cancelled", `Cannot continue: received ${name}`),
      );
      setTimeout(() => Deno.exit(0), STOP_TIMEOUT_MS);
    });
  }
  // The last resort: a failure with one device must not end the process that serves all.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unhandled rejection", { error: event.reason });
  });
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
      writeStderr(USAGE);
      return 2;
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    writeStderr(`${asAranyaError(error, "Cannot start").message}\n`);
    Deno.exit(2);
  }
}

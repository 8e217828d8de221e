// SPDX-License-Identifier: Apache-2.0
/** Reads the mode; the operator's flags, environment and signals. An agent loads nothing of the operator: both halves are imported dynamically. */
import {
  AranyaError,
  asAranyaError,
  createLogger,
  VERSION,
} from "./lib/shared/base/mod.ts";

/** Streams are ended with a reason; what is not gone by then is left behind. */
const STOP_TIMEOUT_MS = 4500;

const USAGE =
  "Usage: main.ts --mode operator|agent [flags]; main.ts --mode operator --help tells more\n";

/** The value of --mode; all other flags are the half's own. */
function modeOf(args: string[]): string | undefined {
  const index = args.indexOf("--mode");
  if (index >= 0) return args[index + 1];
  return args.find((arg) => arg.startsWith("--mode="))?.slice("--mode=".length);
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

async function runOperatorHalf(args: string[]): Promise<number> {
  const { OPERATOR_USAGE, parseOperatorOptions, runOperator } = await import(
    "./lib/operator/mod.ts"
  );
  if (args.includes("--help") || args.includes("-h")) {
    say(OPERATOR_USAGE);
    return 0;
  }
  const options = parseOperatorOptions(args, {
    KUBECONFIG: Deno.env.get("KUBECONFIG"),
    POD_NAMESPACE: Deno.env.get("POD_NAMESPACE"),
  });
  const log = createLogger({ level: options.debug ? "debug" : "info" });
  const stop = new AbortController();
  const end = (name: string) => {
    stop.abort(new AranyaError("cancelled", `Cannot go on: got ${name}`));
    setTimeout(() => Deno.exit(0), STOP_TIMEOUT_MS);
  };
  Deno.addSignalListener("SIGTERM", () => end("SIGTERM"));
  Deno.addSignalListener("SIGINT", () => end("SIGINT"));
  // A last net: one device's trouble must never take the others along.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("a failure was not handled", { error: event.reason });
  });
  const host = Deno.env.get("KUBERNETES_SERVICE_HOST");
  const port = Deno.env.get("KUBERNETES_SERVICE_PORT") ?? "443";
  await runOperator({
    options,
    version: VERSION,
    inClusterServer: host &&
      `${host.includes(":") ? `[${host}]` : host}:${port}`,
    log,
    signal: stop.signal,
  });
  return 0;
}

async function main(args: string[]): Promise<number> {
  switch (modeOf(args)) {
    case "operator":
      return await runOperatorHalf(args);
    case "agent": {
      const { runAgent } = await import("./agent.ts");
      return await runAgent(args);
    }
    default:
      say(USAGE);
      return 2;
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    say(`${asAranyaError(error, "Cannot start").message}\n`);
    Deno.exit(2);
  }
}

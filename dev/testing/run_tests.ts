// SPDX-License-Identifier: Apache-2.0
/** Runs test files in one process of `deno test`, and counts what came of them. */
import { ROOT } from "../base/paths.ts";
import { formatElapsed, print, warn, write } from "../base/terminal.ts";
import { TEST_TIMEOUT } from "./deadline.ts";
import { killProcesses, TEST_RUN } from "./processes.ts";
import { countOutput, countResults, type Results } from "./results.ts";

const FLAGS = [
  "-A",
  "--no-check",
  "--sanitize-ops",
  "--sanitize-resources",
  "--trace-leaks",
];

/** Time to read the rest of the output after the process has ended, in milliseconds. */
const DRAIN_MS = 1000;

/** Options of {@linkcode runTests}. */
export interface RunTestsOptions {
  /** Heading in the output. */
  title: string;
  /** Paths from the root, or absolute. */
  files: string[];
  env?: Record<string, string>;
  /** Deadline of each test; absent when the tests have their own. */
  testTimeoutMs?: number;
  /** The process is killed after this many milliseconds. @default 600000 */
  timeoutMs?: number;
  /** Whether files run side by side. @default false */
  isParallel?: boolean;
}

/**
 * Runs the files and shows their output as it comes. Counts at least one failure when the process
 * fails: a file that can't be loaded, or a hook that throws, is in no report.
 */
export async function runTests(options: RunTestsOptions): Promise<Results> {
  const { title, files, timeoutMs = 600_000 } = options;
  if (files.length === 0) return { passed: 0, failed: 0 };
  print(`\n== ${title}`);
  const runId = crypto.randomUUID();
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...toArguments(options), `--junit-path=${report}`, ...files],
      cwd: ROOT,
      env: toEnvironment(options, runId),
      stdin: "null",
      stdout: "piped",
      signal: timeout,
    }).spawn();
    const copy = new OutputCopy(child.stdout);
    const { success } = await child.status;
    const output = await copy.finish();
    const results = countResults(await Deno.readTextFile(report));
    if (results.passed + results.failed === 0) {
      const { unfinished, ...partial } = countOutput(output);
      Object.assign(results, partial);
      if (unfinished) warn(`${title}: "${unfinished}" did not end`);
    }
    if (timeout.aborted) {
      warn(`${title}: killed after ${formatElapsed(timeoutMs)}`);
    }
    if (!success && results.failed === 0) results.failed = 1;
    for (const { pid, command } of await killProcesses(runId)) {
      warn(`${title}: a test left process ${pid} behind: ${command}`);
    }
    return results;
  } finally {
    await Deno.remove(report);
  }
}

function toArguments({ testTimeoutMs, isParallel }: RunTestsOptions): string[] {
  return [
    "test",
    ...FLAGS,
    ...testTimeoutMs
      ? [`--preload=${new URL("deadline.ts", import.meta.url).pathname}`]
      : [],
    ...isParallel ? ["--parallel"] : [],
  ];
}

function toEnvironment(
  { env, testTimeoutMs }: RunTestsOptions,
  runId: string,
): Record<string, string> {
  return {
    // The output is read by this process, and shown as on a terminal when there is one.
    ...Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
    ...testTimeoutMs ? { [TEST_TIMEOUT]: String(testTimeoutMs) } : {},
    [TEST_RUN]: runId,
    ...env,
  };
}

/** Copies a stream to standard output, and keeps it as text. */
class OutputCopy {
  #text = "";
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    const sink = new WritableStream<string>({
      write: (part) => {
        this.#text += part;
        write(Deno.stdout, part);
      },
    });
    this.#done = stream.pipeThrough(new TextDecoderStream())
      .pipeTo(sink, { signal: this.#stop.signal }).catch(() => {});
  }

  /**
   * Returns the text, to be called after the process has ended: a process that it left may hold the
   * pipe open.
   */
  async finish(): Promise<string> {
    const timer = setTimeout(() => this.#stop.abort(), DRAIN_MS);
    await this.#done;
    clearTimeout(timer);
    return this.#text;
  }
}

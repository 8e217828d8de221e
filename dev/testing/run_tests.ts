// SPDX-License-Identifier: Apache-2.0
/** Runs test files in one process of `deno test`, and counts what came of them. */
import { ROOT } from "../base/paths.ts";
import { formatElapsed, print, warn, write } from "../base/terminal.ts";
import { TEST_TIMEOUT } from "./deadline.ts";
import { killProcesses, TEST_RUN } from "./processes.ts";
import {
  noResults,
  readOutput,
  readReport,
  readStartError,
  type Results,
} from "./results.ts";

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
 * fails, also when its report names none.
 */
export async function runTests(options: RunTestsOptions): Promise<Results> {
  const { title, files, timeoutMs = 600_000 } = options;
  if (files.length === 0) return noResults();
  print(`\n== ${title}`);
  const runId = crypto.randomUUID();
  const startMs = performance.now();
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...toArguments(options), `--junit-path=${report}`, ...files],
      cwd: ROOT,
      env: toEnvironment(options, runId),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: timeout,
    }).spawn();
    const stdout = new OutputCopy(child.stdout, Deno.stdout);
    const stderr = new OutputCopy(child.stderr, Deno.stderr);
    const { success } = await child.status;
    const ended = {
      success,
      stdout: await stdout.finish(),
      stderr: await stderr.finish(),
      report: await Deno.readTextFile(report),
    };
    const elapsedMs = performance.now() - startMs;
    const results = toResults(options, ended);
    const [file] = files;
    if (file !== undefined && files.length === 1) {
      results.times = [{ file, ms: elapsedMs }];
    }
    if (timeout.aborted) {
      results.notices.push(
        `${title}: killed after ${formatElapsed(timeoutMs)}`,
      );
    }
    for (const { pid, command } of await killProcesses(runId)) {
      results.notices.push(
        `${title}: a test left process ${pid} behind: ${command}`,
      );
    }
    for (const notice of results.notices) warn(notice);
    return results;
  } finally {
    await Deno.remove(report);
  }
}

/** A process of `deno test` that has ended. */
interface EndedProcess {
  success: boolean;
  stdout: string;
  stderr: string;
  /** Its JUnit report; empty when it was killed, or found no test. */
  report: string;
}

function toResults(
  { title, files }: RunTestsOptions,
  { success, stdout, stderr, report }: EndedProcess,
): Results {
  let results = readReport(report, { output: stdout });
  if (results.passed + results.failed === 0) results = readOutput(stdout);
  if (!success && results.failed === 0) {
    results.failed = 1;
    results.failures.push({
      file: files.length === 1 ? files.join() : title,
      title: "(no test failed, but the process did)",
      message: readStartError(stderr),
    });
  }
  return results;
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

/** Copies a stream to one of this process, and keeps it as text. */
class OutputCopy {
  #text = "";
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(
    stream: ReadableStream<Uint8Array>,
    target: { writeSync(bytes: Uint8Array): number },
  ) {
    const sink = new WritableStream<string>({
      write: (part) => {
        this.#text += part;
        write(target, part);
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

// SPDX-License-Identifier: Apache-2.0
/** Runs test files in one process of `deno test`, and counts what came of them. */
import { ROOT } from "../base/paths.ts";
import { formatElapsed } from "../base/terminal.ts";
import { TEST_TIMEOUT } from "./deadline.ts";
import { BufferedScreen, OutputCopy, type Screen, TERMINAL } from "./output.ts";
import { killProcesses, TEST_RUN } from "./processes.ts";
import {
  noResults,
  readOutput,
  readReport,
  readStartError,
  type Results,
} from "./results.ts";
import { STOP } from "./stop.ts";

const FLAGS = [
  "-A",
  "--no-check",
  "--sanitize-ops",
  "--sanitize-resources",
  "--trace-leaks",
];

/** Options of {@linkcode runTests}. */
export interface RunTestsOptions {
  /** Heading in the output. */
  title: string;
  /** Paths from the root, or absolute. */
  files: string[];
  env?: Record<string, string>;
  /** Deadline of each test; absent when the tests have their own. */
  testTimeoutMs?: number;
  /** The process is killed after this many milliseconds. @default 900000 */
  timeoutMs?: number;
  /** Whether files run side by side. @default false */
  isParallel?: boolean;
  /**
   * Whether the output is shown as a whole when the process has ended, so that it does not mix with
   * that of another. @default false
   */
  isBuffered?: boolean;
}

/**
 * Runs the files and shows their output under a heading. Counts at least one failure when the
 * process fails, also when its report names none. Kills the process when the whole run is stopped.
 * @throws {Error} when the run was stopped before
 */
export async function runTests(options: RunTestsOptions): Promise<Results> {
  const { title, files, isBuffered = false } = options;
  if (files.length === 0) return noResults();
  STOP.throwIfAborted();
  const screen = isBuffered ? new BufferedScreen() : TERMINAL;
  screen.write(`\n== ${title}\n`);
  try {
    const runId = crypto.randomUUID();
    const startMs = performance.now();
    const ended = await runProcess(options, { runId, screen });
    const elapsedMs = performance.now() - startMs;
    const results = toResults(options, ended);
    const [file] = files;
    if (file !== undefined && files.length === 1) {
      results.times = [{ file, ms: elapsedMs }];
    }
    for (const { pid, command } of await killProcesses(runId)) {
      results.notices.push(
        `${title}: a test left process ${pid} behind: ${command}`,
      );
    }
    for (const notice of results.notices) screen.writeError(`${notice}\n`);
    return results;
  } finally {
    screen.flush();
  }
}

/** A process of `deno test` that has ended. */
interface EndedProcess {
  success: boolean;
  stdout: string;
  stderr: string;
  /** Its JUnit report; empty when it was killed, or found no test. */
  report: string;
  /** After which time it was killed; absent when it ended by itself. */
  killedAfterMs?: number;
}

async function runProcess(
  options: RunTestsOptions,
  { runId, screen }: { runId: string; screen: Screen },
): Promise<EndedProcess> {
  const { files, timeoutMs = 900_000 } = options;
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
      signal: AbortSignal.any([timeout, STOP]),
    }).spawn();
    const stdout = new OutputCopy(child.stdout, (text) => screen.write(text));
    const stderr = new OutputCopy(
      child.stderr,
      (text) => screen.writeError(text),
    );
    const { success } = await child.status;
    return {
      success,
      stdout: await stdout.finish(),
      stderr: await stderr.finish(),
      report: await Deno.readTextFile(report),
      ...timeout.aborted ? { killedAfterMs: timeoutMs } : {},
    };
  } finally {
    await Deno.remove(report);
  }
}

function toResults(
  { title, files }: RunTestsOptions,
  { success, stdout, stderr, report, killedAfterMs }: EndedProcess,
): Results {
  let results = readReport(report, { output: stdout, files });
  if (results.passed + results.failed === 0) results = readOutput(stdout);
  if (!success && results.failed === 0) {
    results.failed = 1;
    results.failures.push({
      file: files.length === 1 ? files.join() : title,
      title: "(no test failed, but the process did)",
      message: STOP.aborted ? STOP.reason.message : readStartError(stderr),
    });
  }
  if (killedAfterMs !== undefined) {
    results.notices.push(
      `${title}: killed after ${formatElapsed(killedAfterMs)}`,
    );
  }
  // Written by the end-to-end scenarios. Deno shows the standard error of a test on its output.
  for (const [line] of stdout.matchAll(/^logs are kept in .+$/gm)) {
    results.notices.push(`${title}: ${line}`);
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

// SPDX-License-Identifier: Apache-2.0
/** Reads what came of test files, from the reports and the output of `deno test`. */
import { resolve, ROOT } from "../base/paths.ts";

/** A test that failed, or a file that could not be loaded. */
export interface Failure {
  /** Path from the root. */
  file: string;
  title: string;
  /** The error with its stack, or in a word why the test did not run; several lines. */
  message: string;
}

/** How long the tests of a file took. */
export interface FileTime {
  file: string;
  ms: number;
}

/** What came of some test files. */
export interface Results {
  /** Number of test cases. Deno reports a test and each of its steps as a case. */
  passed: number;
  failed: number;
  /**
   * Causes of what failed: a test whose step failed, or that was cancelled, has none of its own.
   */
  failures: Failure[];
  /** What is no failure of a test and that a person has to see, e.g. a process left behind. */
  notices: string[];
  times: FileTime[];
}

/** Returns the results of nothing. */
export function noResults(): Results {
  return { passed: 0, failed: 0, failures: [], notices: [], times: [] };
}

/** Adds the results of more files. */
export function addResults(total: Results, more: Results): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.failures.push(...more.failures);
  total.notices.push(...more.notices);
  total.times.push(...more.times);
}

/** A case of a JUnit report. */
interface Case {
  file: string;
  title: string;
  ms: number;
  /** Absent when it passed. */
  message?: string;
}

const CANCELLED = "Cancelled";
const IGNORED = "ignored";

/** Options of {@linkcode readReport}. */
export interface ReportOptions {
  /** What the process has printed: Deno reports an error outside of a test only there. */
  output?: string;
  /** The files that the process ran. */
  files?: string[];
}

/**
 * Reads a JUnit report. A case with a failure or an error has failed; an ignored one counts as
 * failed too, so that nothing is skipped silently.
 */
export function readReport(
  report: string,
  options: ReportOptions = {},
): Results {
  const { output = "", files = [] } = options;
  const cases = readCases(report).map((one) => ({
    ...one,
    file: findFile(one, files),
  }));
  const failed = cases.filter(({ message }) => message !== undefined);
  const results: Results = {
    ...noResults(),
    passed: cases.length - failed.length,
    failed: failed.length,
    times: sumTimes(cases),
  };
  const uncaught = readUncaught(output).map((one) => ({
    ...one,
    file: findFile(one, files),
  }));
  for (const { file, title, message = "" } of failed) {
    const isExplained = didNotRun(message) &&
      uncaught.some((one) => one.file === file);
    if (isExplained || /^\d+ test steps? failed\.$/.test(message)) continue;
    results.failures.push({ file, title, message });
  }
  for (const error of uncaught) {
    const affected = failed.filter(({ file, message = "" }) =>
      file === error.file && didNotRun(message)
    );
    if (affected.length === 0) results.failed++;
    results.failures.push(toFailure(error, affected));
  }
  return results;
}

/**
 * Returns the test file of a case. Deno names the module that registered the test, which may be one
 * that several files import.
 */
function findFile(
  { file, message = "" }: { file: string; message?: string },
  files: string[],
): string {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only;
  return files.find((one) => resolve(ROOT, one) === resolve(ROOT, file)) ??
    files.find((one) => message.includes(`${resolve(ROOT, one)}:`)) ?? file;
}

function didNotRun(message: string): boolean {
  return message === CANCELLED || message === IGNORED;
}

/**
 * Returns an error outside of tests as a failure of the test in which it was thrown, if there was
 * one: Deno cancels that, and those after it.
 */
function toFailure(
  { file, message }: Pick<Failure, "file" | "message">,
  affected: Case[],
): Failure {
  const test = affected.find((one) => one.message === CANCELLED);
  const count = affected.length - (test ? 1 : 0);
  const what = `${test ? "more " : ""}test${count > 1 ? "s" : ""}`;
  const more = count === 0
    ? ""
    : `\n(${count} ${what} of this file did not run)`;
  return {
    file,
    title: test?.title ?? "(outside of a test)",
    message: message + more,
  };
}

function readCases(report: string): Case[] {
  return [...report.matchAll(
    /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )].map(([, attributes = "", body = ""]) => {
    const problem = body.match(
      /<(failure|error|skipped)\b([^>]*?)(?:\/>|>([\s\S]*?)<\/\1>)/,
    );
    return {
      file: toPath(readAttribute(attributes, "classname")),
      title: readAttribute(attributes, "name"),
      ms: 1000 * Number(readAttribute(attributes, "time")),
      ...problem
        ? {
          message: problem[1] === "skipped"
            ? IGNORED
            : decode(problem[3] ?? "") ||
              readAttribute(problem[2] ?? "", "message"),
        }
        : {},
    };
  });
}

/** Returns the time of each file: that of its tests, which includes that of their steps. */
function sumTimes(cases: Case[]): FileTime[] {
  const titles = new Set(cases.map(({ file, title }) => `${file} ${title}`));
  const byFile = new Map<string, number>();
  for (const { file, title, ms } of cases) {
    const names = title.split(" > ");
    const isStep = names.some((_, index) =>
      index > 0 && titles.has(`${file} ${names.slice(0, index).join(" > ")}`)
    );
    if (!isStep) byFile.set(file, (byFile.get(file) ?? 0) + ms);
  }
  return [...byFile].map(([file, ms]) => ({ file, ms }));
}

/** Returns the errors outside of tests that Deno lists at the end of its output. */
function readUncaught(output: string): Pick<Failure, "file" | "message">[] {
  return [
    ...withoutNoise(output).matchAll(
      /^(\S+) \(uncaught error\)\nerror: ([\s\S]*?)\nThis error was not caught from a test/gm,
    ),
  ].map(([, file = "", message = ""]) => ({
    file: toPath(file),
    message: message.replace(/^\(in promise\) /, ""),
  }));
}

/**
 * Reads the output of a `deno test` that was killed: Deno writes its JUnit report, and the errors,
 * only at the end. A test that had begun and not ended counts as failed.
 */
export function readOutput(output: string): Results {
  const results = noResults();
  const lines = withoutNoise(output).split("\n");
  let file = "";
  let begun: { title: string; line: number } | undefined;
  for (const [index, line] of lines.entries()) {
    file = toPath(line.match(/^running \d+ tests? from (\S+)$/)?.[1] ?? file);
    const ended = line.match(
      /^ *(.*) \.\.\. .*\b(ok|FAILED|ignored|cancelled)\b/,
    );
    if (ended) {
      if (ended[2] === "ok") results.passed++;
      else {
        results.failed++;
        results.failures.push({
          file,
          title: ended[1] ?? "",
          message: `${ended[2]}; the process ended before it reported why`,
        });
      }
      begun = undefined;
      continue;
    }
    const title = line.match(/^(\S.*) \.\.\.$/)?.[1];
    if (title !== undefined) begun = { title, line: index + 1 };
  }
  if (begun) {
    results.failed++;
    const printed = lastLines(lines.slice(begun.line));
    results.failures.push({
      file,
      title: begun.title,
      message: "did not end" + (printed ? `; its last lines:\n${printed}` : ""),
    });
  }
  return results;
}

const LAST_LINE_COUNT = 12;

function lastLines(lines: string[]): string {
  return lines.filter((line) => line.trim() !== "").slice(-LAST_LINE_COUNT)
    .join("\n");
}

/**
 * Returns why a process of `deno test` ran no test, from its standard error: the error that Deno
 * names, or the last lines.
 */
export function readStartError(stderr: string): string {
  const text = withoutNoise(stderr);
  const named = [
    ...text.matchAll(/^error: ([\s\S]*?)(?=\n\nStack backtrace:|(?![\s\S]))/gm),
  ]
    .at(-1)?.[1];
  return named ?? lastLines(text.split("\n"));
}

/**
 * Parts of the output that are no results: colors, and a notice in the middle of a slow test's
 * line.
 */
const NOISE =
  // deno-lint-ignore no-control-regex
  /\x1b\[[\d;]*m|'[^'\n]*' has been running for over [^\n]*\n/g;

function withoutNoise(output: string): string {
  return output.replaceAll(NOISE, "");
}

function toPath(file: string): string {
  return file.replace(/^\.\//, "");
}

function readAttribute(attributes: string, name: string): string {
  return decode(
    attributes.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "",
  );
}

const ENTITIES: Record<string, string> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

function decode(text: string): string {
  return text.replaceAll(
    /&(?:(lt|gt|amp|quot|apos)|#(\d+)|#x([\da-fA-F]+));/g,
    (_, name, decimal, hex) =>
      ENTITIES[name] ??
        String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex, 16)),
  );
}

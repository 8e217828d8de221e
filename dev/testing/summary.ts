// SPDX-License-Identifier: Apache-2.0
/** Writes what a person has to read at the end of a test run. */
import { formatElapsed } from "../base/terminal.ts";
import type { Failure, Results } from "./results.ts";

/** Bounds of a summary: a CI shows only the end of the output. */
const MAX_SLOW_FILES = 10;
const MAX_NOTICES = 15;
const MAX_FAILURES = 50;
const MAX_FAILURE_LINES = 100;
const MAX_MESSAGE_LINES = 15;
const MAX_LINE_LENGTH = 180;
/** With fewer lines for a failure, they are all of the error. */
const MIN_LINES_TO_CUT = 5;

/** A file that is at least this fast is not worth a line. */
const MIN_SLOW_MS = 1000;

/** Returns the lines of a summary: the slowest files, notices, and why tests failed. */
export function toSummary(results: Results): string[] {
  return [
    ...toSlowFiles(results),
    ...toNotices(results),
    ...toFailures(results),
  ];
}

function toSlowFiles({ times }: Results): string[] {
  // Of several runs of a file the slowest.
  const byFile = new Map<string, number>();
  for (const { file, ms } of times) {
    byFile.set(file, Math.max(ms, byFile.get(file) ?? 0));
  }
  const slow = [...byFile].map(([file, ms]) => ({ file, ms }))
    .filter(({ ms }) => ms >= MIN_SLOW_MS)
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, MAX_SLOW_FILES);
  return section(
    "slowest files",
    slow.map(({ file, ms }) => `${formatElapsed(ms).padStart(6)}  ${file}`),
  );
}

function toNotices({ notices }: Results): string[] {
  return section("notices", bound(notices, MAX_NOTICES).map(cut));
}

function toFailures({ failures }: Results): string[] {
  const shown = Math.min(failures.length, MAX_FAILURES);
  const lineCount = Math.max(2, Math.floor(MAX_FAILURE_LINES / shown));
  return section(
    `failed: ${failures.length}`,
    bound(failures.map((one) => toLines(one, lineCount)), MAX_FAILURES).flat(),
  );
}

function toLines(failure: Failure, lineCount: number): string[] {
  const message = failure.message.split("\n").filter((line) =>
    line.trim() !== "" && !/^ +at .*\bext:/.test(line)
  );
  const shown = lineCount < MIN_LINES_TO_CUT
    ? message.slice(0, lineCount - 1)
    : bound(message, Math.min(lineCount - 3, MAX_MESSAGE_LINES));
  const place = message.find((line) =>
    /^ +at /.test(line) && line.includes(failure.file)
  );
  if (shown.length < lineCount - 1 && place && !shown.includes(place)) {
    shown.push(place);
  }
  return [
    cut(`${failure.file}: ${failure.title}`),
    ...shown.map((line) => cut(`    ${line}`)),
  ];
}

function section(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ["", `== ${title}`, ...lines];
}

/** Returns the first items, and how many more there are as a last one. */
function bound<T>(items: T[], max: number): (T | string)[] {
  return items.length <= max
    ? items
    : [...items.slice(0, max), `… ${items.length - max} more`];
}

function cut(line: string): string {
  return line.length <= MAX_LINE_LENGTH
    ? line
    : `${line.slice(0, MAX_LINE_LENGTH)}…`;
}

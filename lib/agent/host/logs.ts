// SPDX-License-Identifier: Apache-2.0
/**
 * The host's log: a file that agent.yaml names, or the journal, read by the machine's own programs.
 */
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  hasCode,
  onAbort,
} from "../../shared/base/mod.ts";
import { killProgram, runProgram, spawnProgram } from "./program.ts";

const LINE_FEED = 10;
/** A longer line is yielded in pieces. */
const MAX_LINE_BYTES = 256 * 1024;
/** Bytes at a line's beginning among which its time is searched. */
const MAX_TIME_BYTES = 48;
/** Exit codes of the script that checks the log file. */
const FILE_MISSING = 2;
const FILE_UNREADABLE = 3;
/** Time at the beginning of a line, as a POSIX regular expression; see `parseLineTimeMs`. */
const LINE_TIME_PATTERN =
  "^\\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}";
/** Lines before the first one with a time are held up to this size, and yielded then. */
const MAX_HELD_BYTES = 1024 * 1024;

/** Options of {@linkcode readHostLog}. */
export interface HostLogOptions {
  /** Path of the log. @default the journal */
  file?: string | undefined;
  /** Continue with new lines until the signal; survives a rotation of the file. */
  follow: boolean;
  /** Number of lines from the end. @default all */
  tailLines?: number | undefined;
  /** Maximum number of bytes. @default no limit */
  limitBytes?: number | undefined;
  /**
   * RFC 3339. In a file, only lines that begin with such a time (or "YYYY-MM-DD hh:mm:ss") can be
   * left out, together with the lines without a time that follow them, or precede the first one.
   */
  sinceTime?: string | undefined;
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

/**
 * Yields the log's bytes. Ends when the signal is aborted.
 * @throws {AranyaError} code "not_found" or "forbidden" for a file that is missing or unreadable,
 * "unsupported" when there is neither a file nor a journal
 */
export async function* readHostLog(
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  options.signal.throwIfAborted();
  const chunks = options.file === undefined
    ? readJournal(options)
    : readLogFile(options.file, options);
  if (options.limitBytes === undefined) yield* chunks;
  else yield* takeBytes(chunks, options.limitBytes);
}

async function* takeBytes(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  let missing = limitBytes;
  if (missing <= 0) return;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, missing);
    missing -= chunk.length;
    if (missing <= 0) return;
  }
}

async function* readLogFile(
  file: string,
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  await checkLogFile(file, options);
  const { tailLines, follow, sinceTime } = options;
  const lines = tailLines === undefined ? "+1" : String(Math.max(0, tailLines));
  const chunks = readOutput({
    ...options,
    name: "tail",
    args: ["-n", lines, ...(follow ? ["-F"] : []), "--", file],
  });
  if (sinceTime === undefined || !await hasLineTimes(file, options)) {
    return yield* chunks;
  }
  yield* skipLinesBefore(chunks, {
    since: sinceTime,
    // The next line with a time may be far away.
    holdsFirst: !follow || tailLines === undefined,
  });
}

async function checkLogFile(
  file: string,
  { env, signal }: HostLogOptions,
): Promise<void> {
  const script =
    `[ -f "$1" ] || exit ${FILE_MISSING}; [ -r "$1" ] || exit ${FILE_UNREADABLE}`;
  const { code } = await runProgram("sh", {
    args: ["-c", script, "sh", file],
    env,
    signal,
  });
  if (code === 0) return;
  const action = `Cannot read log of the device from "${file}"`;
  throw code === FILE_MISSING
    ? new AranyaError(
      "not_found",
      `${action}: no such file, expected the one of host.logFile in agent.yaml`,
    )
    : new AranyaError("forbidden", `${action}: permission denied`);
}

/** Returns whether any line of the file begins with a time. */
async function hasLineTimes(
  file: string,
  { env, signal }: HostLogOptions,
): Promise<boolean> {
  const { code } = await runProgram("grep", {
    args: ["-q", "-E", "-e", LINE_TIME_PATTERN, "--", file],
    env,
    signal,
  });
  return code === 0;
}

async function* readJournal(
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  const { tailLines = "all", follow, sinceTime } = options;
  const args = ["--no-pager", "--quiet", "--output=short-iso"];
  if (follow) args.push("--follow");
  args.push(`--lines=${tailLines}`);
  if (sinceTime !== undefined) {
    args.push(`--since=@${Math.floor(Date.parse(sinceTime) / 1_000)}`);
  }
  try {
    yield* readOutput({ ...options, name: "journalctl", args });
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
    throw new AranyaError(
      "unsupported",
      "Cannot read log of the device: it has no journal (journalctl), expected host.logFile in agent.yaml",
      { cause: error },
    );
  }
}

/**
 * Yields the standard output of a program, which is killed with the signal or when the reader
 * leaves.
 */
async function* readOutput(
  { name, args, env, signal }: {
    name: string;
    args: string[];
    env: Readonly<Record<string, string>>;
    signal: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  const child = spawnProgram(name, { args, env });
  using _listener = onAbort(signal, () => killProgram(child));
  try {
    yield* child.stdout;
  } finally {
    killProgram(child);
    await child.status;
  }
}

/**
 * Yields lines from the first one whose time is not before `since`. A line without a time belongs
 * to the line before it; those at the beginning to the line after them, since they are older.
 * @param options `since` is RFC 3339; `holdsFirst` holds the lines at the beginning until there is
 * one with a time, else they are yielded at once
 */
export async function* skipLinesBefore(
  chunks: AsyncIterable<Uint8Array>,
  { since, holdsFirst = true }: { since: string; holdsFirst?: boolean },
): AsyncGenerator<Uint8Array> {
  const sinceMs = Date.parse(since);
  let held: Uint8Array[] | undefined = holdsFirst ? [] : undefined;
  let heldBytes = 0;
  let isSkipping = false;
  for await (const line of splitLines(chunks)) {
    const timeMs = parseLineTimeMs(line);
    if (timeMs !== undefined) isSkipping = timeMs < sinceMs;
    if (held) {
      const isHeld = timeMs === undefined && heldBytes < MAX_HELD_BYTES;
      if (isHeld) {
        held.push(line);
        heldBytes += line.length;
        continue;
      }
      if (!isSkipping) yield* held;
      held = undefined;
    }
    if (!isSkipping) yield line;
  }
  if (held) yield* held;
}

/** Returns the time that a line begins with; a time without a zone is in the machine's own zone. */
function parseLineTimeMs(line: Uint8Array): number | undefined {
  const text = fromUtf8(line.subarray(0, MAX_TIME_BYTES)).match(
    /^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)/,
  )?.[1];
  if (text === undefined) return undefined;
  const timeMs = Date.parse(
    text.replace(" ", "T").replace(",", ".").replace(
      /([+-]\d\d)(\d\d)$/,
      "$1:$2",
    ),
  );
  return Number.isFinite(timeMs) ? timeMs : undefined;
}

/** Yields lines with their ends. */
async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    held = held.length === 0 ? chunk : concatBytes([held, chunk]);
    let start = 0;
    for (
      let end = held.indexOf(LINE_FEED);
      end >= 0;
      end = held.indexOf(LINE_FEED, start)
    ) {
      yield held.subarray(start, end + 1);
      start = end + 1;
    }
    held = held.slice(start);
    if (held.length > MAX_LINE_BYTES) {
      yield held;
      held = new Uint8Array();
    }
  }
  if (held.length > 0) yield held;
}

// SPDX-License-Identifier: Apache-2.0
/** The host's log: a file that somebody configured, or the journal. Both are read by the machine's own programs. */
import { AranyaError, concatBytes, fromUtf8 } from "../../shared/base/mod.ts";
import { kill, runProgram, spawnProgram } from "./program.ts";

const LINE_FEED = 10;
/** Longer lines are handed on in pieces. */
const MAX_LINE_BYTES = 256 * 1024;

/** Options of {@linkcode readHostLog}. */
export interface HostLogOptions {
  /** Absent: the journal. */
  file?: string | undefined;
  follow: boolean;
  tailLines?: number | undefined;
  limitBytes?: number | undefined;
  /** RFC 3339. Of a file only lines that begin with such a time (or "YYYY-MM-DD hh:mm:ss") can be left out, and what follows them. */
  sinceTime?: string | undefined;
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

/**
 * Log bytes. Following a file survives its rotation; it ends with the signal.
 * @throws {AranyaError} "not_found" when the file is missing, "unsupported" when there is neither file nor journal
 */
export async function* readHostLog(
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  options.signal.throwIfAborted();
  const chunks = options.file === undefined
    ? readJournal(options)
    : readFile(options.file, options);
  if (options.limitBytes === undefined) {
    yield* chunks;
    return;
  }
  let left = options.limitBytes;
  if (left <= 0) return;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function* readFile(
  file: string,
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  const action = `Cannot show logs of the device from "${file}"`;
  const { code } = await runProgram("sh", {
    args: ["-c", '[ -f "$1" ] || exit 2; [ -r "$1" ] || exit 3', "sh", file],
    env: options.env,
    signal: options.signal,
  });
  if (code === 2) {
    throw new AranyaError(
      "not_found",
      `${action}: there is no such file, expected the one of host.logFile in agent.yaml`,
    );
  }
  if (code !== 0) {
    throw new AranyaError("forbidden", `${action}: the agent may not read it`);
  }
  const lines = options.tailLines === undefined
    ? "+1"
    : String(Math.max(0, options.tailLines));
  const args = ["-n", lines, ...(options.follow ? ["-F"] : []), "--", file];
  const chunks = readProgram("tail", args, options);
  yield* options.sinceTime === undefined
    ? chunks
    : dropBefore(chunks, options.sinceTime);
}

async function* readJournal(
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  const args = ["--no-pager", "--quiet", "--output=short-iso"];
  if (options.follow) args.push("--follow");
  args.push(
    `--lines=${options.tailLines === undefined ? "all" : options.tailLines}`,
  );
  if (options.sinceTime !== undefined) {
    args.push(`--since=@${Math.floor(Date.parse(options.sinceTime) / 1_000)}`);
  }
  try {
    yield* readProgram("journalctl", args, options);
  } catch (error) {
    if (error instanceof AranyaError && error.code === "not_found") {
      throw new AranyaError(
        "unsupported",
        "Cannot show logs of the device: it has no journal (journalctl), expected host.logFile in agent.yaml",
        { cause: error },
      );
    }
    throw error;
  }
}

async function* readProgram(
  name: string,
  args: string[],
  options: HostLogOptions,
): AsyncGenerator<Uint8Array> {
  const child = spawnProgram(name, { args, env: options.env });
  const end = () => kill(child);
  options.signal.addEventListener("abort", end, { once: true });
  if (options.signal.aborted) end();
  try {
    yield* child.stdout;
  } finally {
    options.signal.removeEventListener("abort", end);
    end();
    await child.status;
  }
}

/** Leaves out lines until the first one with a time not before `since`. Lines without a time belong to the one before. */
export async function* dropBefore(
  chunks: AsyncIterable<Uint8Array>,
  since: string,
): AsyncGenerator<Uint8Array> {
  const sinceMs = Date.parse(since);
  let dropping = false;
  for await (const line of splitLines(chunks)) {
    const timeMs = timeOf(line);
    if (timeMs !== undefined) dropping = timeMs < sinceMs;
    if (!dropping) yield line;
  }
}

/** Time at a line's beginning, in milliseconds since 1970; without a zone it is the machine's own. */
function timeOf(line: Uint8Array): number | undefined {
  const text = fromUtf8(line.subarray(0, 48)).match(
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

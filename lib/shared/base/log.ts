// SPDX-License-Identifier: Apache-2.0
/** The project's log, on pino: JSON lines on stderr, or readable text when stderr is a terminal. */
import { pino } from "pino";

/** Fields that a log line may have; one list for the whole project. */
export interface LogFields {
  device?: string;
  node?: string;
  /** "namespace/name" */
  pod?: string;
  container?: string;
  namespace?: string;
  /** The object of an operation, e.g. "Secret edge/edge-1-agent". */
  object?: string;
  /** Id of a stream in its session. */
  stream?: number;
  /** Command or call, e.g. "exec". */
  cmd?: string;
  /** Peer of a link, "address:port". */
  link?: string;
  /** Defaults to the code of `error`. */
  code?: string;
  reason?: string;
  phase?: string;
  address?: string;
  /** Of the operator's host, separated by commas. */
  addresses?: string;
  /** Of the operators, "host:port", separated by commas. */
  endpoints?: string;
  /** Of a candidate in a leader election. */
  identity?: string;
  port?: number;
  version?: string;
  /** Number in a protocol, e.g. of a message kind this version doesn't know. */
  kind?: number;
  count?: number;
  /** Lines like this one that were held back before it; see `LogLimit`. */
  suppressed?: number;
  /** Duration or delay, in milliseconds. */
  ms?: number;
  bytesIn?: number;
  bytesOut?: number;
  /** Written as its message and code; at level debug with stack and cause. */
  error?: unknown;
}

/**
 * Severity, lowest first.
 * - "debug": for developers, e.g. one line per stream at its end.
 * - "info": a component started, stopped or changed its state.
 * - "warn": something failed and is retried.
 * - "error": someone must act.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

const LOG_LEVELS: readonly LogLevel[] = [
  "debug",
  "info",
  "warn",
  "error",
];

/** Returns the level of this name; undefined when there is none. */
export function parseLogLevel(text: string): LogLevel | undefined {
  return LOG_LEVELS.find((level) => level === text);
}

/** Writes log lines. The message is a constant, lower-case sentence; what varies is a field. */
export interface Logger {
  /** Writes a line of level "debug" (see {@linkcode LogLevel}). */
  debug(message: string, fields?: LogFields): void;
  /** Writes a line of level "info" (see {@linkcode LogLevel}). */
  info(message: string, fields?: LogFields): void;
  /** Writes a line of level "warn" (see {@linkcode LogLevel}). */
  warn(message: string, fields?: LogFields): void;
  /** Writes a line of level "error" (see {@linkcode LogLevel}). */
  error(message: string, fields?: LogFields): void;
  /** Returns a logger that adds these fields to each of its lines. */
  with(fields: LogFields): Logger;
}

/** Options of {@linkcode createLogger}. */
export interface CreateLoggerOptions {
  /** @default "info" */
  level?: LogLevel;
  /** Readable lines instead of JSON. @default whether stderr is a terminal */
  readable?: boolean;
  /** Receives one line with its newline. @default stderr */
  write?: (line: string) => void;
}

const ENCODER = new TextEncoder();

/**
 * Creates a logger that is independent of all others.
 *
 * @example
 * ```ts
 * const log = createLogger({ level: "debug" }).with({ device: "edge-1" });
 * log.info("link is up", { link: "10.0.0.7:51234" });
 * ```
 */
export function createLogger(options: CreateLoggerOptions = {}): Logger {
  const level = options.level ?? "info";
  const sink = options.write ??
    ((line: string) => void Deno.stderr.writeSync(ENCODER.encode(line)));
  const readable = options.readable ??
    (options.write === undefined && Deno.stderr.isTerminal());
  const write = (line: string) =>
    sink(readable ? toReadable(line) : escapeInvisible(line));
  const root = pino({
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  }, { write });
  return toLogger(root, level);
}

/** Writes nothing. */
export const SILENT_LOGGER: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT_LOGGER,
};

function toLogger(target: pino.Logger, level: LogLevel): Logger {
  const line =
    (severity: LogLevel) => (message: string, fields: LogFields = {}) =>
      target[severity](toPinoFields(fields, level), message);
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    with: (fields) =>
      toLogger(target.child(toPinoFields(fields, level)), level),
  };
}

/** Replaces the error by its message and code, and at level debug by its stack and cause too. */
function toPinoFields(
  fields: LogFields,
  level: LogLevel,
): Record<string, unknown> {
  if (fields.error === undefined) return { ...fields };
  const { error, ...rest } = fields;
  if (!(error instanceof Error)) return { ...rest, error: String(error) };
  const flat: Record<string, unknown> = { ...rest, error: error.message };
  if ("code" in error && rest.code === undefined) flat.code = error.code;
  if (level === "debug") {
    flat.stack = error.stack;
    if (error.cause !== undefined) {
      flat.cause = error.cause instanceof Error
        ? error.cause.stack ?? error.cause.message
        : String(error.cause);
    }
  }
  return flat;
}

/** Formats a JSON line of pino as `12:00:00.000 info  link is up  device=edge-1`. */
function toReadable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<
    string,
    unknown
  >;
  const fields = Object.entries(rest).map(([key, value]) =>
    `${key}=${
      typeof value === "string" && !NEEDS_QUOTES.test(value)
        ? value
        : escapeInvisible(JSON.stringify(value))
    }`
  );
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${
    String(msg)
  }${fields.length > 0 ? "  " + fields.join(" ") : ""}\n`;
}

/** White space, quotes, control and formatting characters. */
const NEEDS_QUOTES = /[\s"\p{Cc}\p{Cf}]/u;
/** Control characters that JSON leaves as they are, and formatting characters (bidi marks). */
const INVISIBLE = /[\x7f-\x9f]|\p{Cf}/gu;

/**
 * Escapes, in JSON text, what a terminal would act upon: fields may come from unauthenticated
 * clients. JSON itself escapes only control characters below U+0020.
 */
function escapeInvisible(json: string): string {
  return json.replaceAll(
    INVISIBLE,
    (character) =>
      Array.from(
        { length: character.length },
        (_, index) =>
          `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}

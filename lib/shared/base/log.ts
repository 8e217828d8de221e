// SPDX-License-Identifier: Apache-2.0
/** The project's log: JSON lines on stderr, or readable text when a person is looking. A thin face on pino. */
import { pino } from "pino";

/** Keys that a log line may carry; one list for the whole project. */
export interface LogFields {
  device?: string;
  node?: string;
  /** "namespace/name" */
  pod?: string;
  container?: string;
  namespace?: string;
  /** What an operation was about, e.g. "Secret edge/edge-1-agent". */
  object?: string;
  stream?: number;
  /** Kind of a command or call, e.g. "exec". */
  cmd?: string;
  link?: string;
  code?: string;
  reason?: string;
  phase?: string;
  address?: string;
  version?: string;
  count?: number;
  ms?: number;
  bytesIn?: number;
  bytesOut?: number;
  /** Stack and cause are written at debug level only. */
  error?: unknown;
}

/** Severity, lowest first. error = someone must act; warn = retried; info = life-cycle; debug = one line per session at its end. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where the rooms write. The message is a constant, lower-case sentence; all that varies goes into `fields`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each of its lines. */
  with(fields: LogFields): Logger;
}

/** Options of {@linkcode createLogger}. */
export interface CreateLoggerOptions {
  /** @default "info" */
  level?: LogLevel;
  /** Readable lines instead of JSON. @default whether stderr is a terminal */
  readable?: boolean;
  /** Takes one line with its newline. @default stderr */
  write?: (line: string) => void;
}

const STDERR = new TextEncoder();
const LEVEL_NAMES: Record<number, LogLevel> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
};

/** Makes a logger. May be called many times; each is independent. */
export function createLogger(options: CreateLoggerOptions = {}): Logger {
  const level = options.level ?? "info";
  const sink = options.write ??
    ((line: string) => void Deno.stderr.writeSync(STDERR.encode(line)));
  const readable = options.readable ??
    (options.write === undefined && Deno.stderr.isTerminal());
  const write = readable ? (line: string) => sink(toReadable(line)) : sink;
  const root = pino({
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  }, { write });
  return wrap(root, level);
}

/** A logger that drops everything. */
export const SILENT_LOGGER: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT_LOGGER,
};

function wrap(target: pino.Logger, level: LogLevel): Logger {
  const line =
    (severity: LogLevel) => (message: string, fields: LogFields = {}) =>
      target[severity](flatten(fields, level), message);
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    with: (fields) => wrap(target.child(flatten(fields, level)), level),
  };
}

/** Replaces an error by its message; at debug level its stack and causes go along. */
function flatten(fields: LogFields, level: LogLevel): Record<string, unknown> {
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

/** `12:00:00.000 info  link is up  device=edge-1` */
function toReadable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<
    string,
    unknown
  >;
  const name = typeof level === "number"
    ? LEVEL_NAMES[level] ?? String(level)
    : String(level);
  const fields = Object.entries(rest).map(([key, value]) =>
    `${key}=${
      typeof value === "string" && !/[\s"]/.test(value)
        ? value
        : JSON.stringify(value)
    }`
  );
  return `${String(time).slice(11, 23)} ${name.padEnd(5)} ${String(msg)}${
    fields.length > 0 ? "  " + fields.join(" ") : ""
  }\n`;
}

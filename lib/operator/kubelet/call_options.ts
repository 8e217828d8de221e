// SPDX-License-Identifier: Apache-2.0
/** Query parameters of exec, attach and logs, validated like a kubelet's. */
import { AranyaError } from "../../shared/base/mod.ts";
import type {
  ExecStreams,
  LogsRequest,
  PodTarget,
} from "../../shared/exec/mod.ts";

/** Options of a log request, without its target. */
export type LogQuery = Omit<LogsRequest<PodTarget>, "target">;

/**
 * Parses the streams of exec and attach; only "1" means true. With a terminal, stderr is part of
 * stdout.
 * @throws {AranyaError} "invalid" when there is no stream at all
 */
export function parseStreamOptions(query: URLSearchParams): ExecStreams {
  const is = (name: string) => query.get(name) === "1";
  const tty = is("tty");
  const options = {
    stdin: is("input"),
    stdout: is("output"),
    stderr: is("error") && !tty,
    tty,
  };
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw new AranyaError(
      "invalid",
      "you must specify at least 1 of stdin, stdout, stderr",
    );
  }
  return options;
}

/**
 * Parses the options of a log request.
 * @throws {AranyaError} "invalid" for a value that can't be parsed; {@linkcode findContradiction}
 * checks their meaning
 */
export function parseLogOptions(
  query: URLSearchParams,
  target: PodTarget,
): LogQuery {
  const object = `log of container ${JSON.stringify(target.container)}`;
  const tail = query.get("tail");
  const numbers = {
    tailLines: parseInteger(
      tail && tail !== "all" ? tail : tail ? null : query.get("tailLines"),
      { name: "tailLines", object },
    ),
    limitBytes: parseInteger(query.get("limitBytes"), {
      name: "limitBytes",
      object,
    }),
    sinceSeconds: parseInteger(query.get("sinceSeconds"), {
      name: "sinceSeconds",
      object,
    }),
  };
  const sinceTime = parseTime(query.get("sinceTime"), object);
  const stream = query.get("stream");
  if (stream !== null && stream !== "" && stream !== "All") {
    throw new AranyaError(
      "invalid",
      `Cannot read ${object}: unknown stream ${
        JSON.stringify(stream)
      }, expected All`,
    );
  }
  return {
    follow: parseFlag(query.get("follow")),
    previous: parseFlag(query.get("previous")),
    timestamps: parseFlag(query.get("timestamps")),
    ...Object.fromEntries(
      Object.entries(numbers).filter(([, value]) => value !== undefined),
    ),
    ...(sinceTime === undefined ? {} : { sinceTime }),
  };
}

/**
 * Returns why options are out of range or contradict each other (HTTP 422); undefined when they are
 * valid.
 */
export function findContradiction(options: LogQuery): string | undefined {
  const { tailLines = 0, limitBytes = 1, sinceSeconds = 1 } = options;
  if (tailLines < 0) return "tailLines is less than 0";
  if (limitBytes < 1) return "limitBytes is less than 1";
  if (
    options.sinceSeconds !== undefined && options.sinceTime !== undefined
  ) return "both sinceSeconds and sinceTime are given, expected one";
  if (sinceSeconds < 1) return "sinceSeconds is less than 1";
  return undefined;
}

/**
 * Parses a boolean: everything is true except absence, "false" and "0" (apimachinery
 * pkg/runtime/conversion.go).
 */
function parseFlag(text: string | null): boolean {
  return text !== null && text !== "false" && text !== "0";
}

function parseInteger(
  text: string | null,
  { name, object }: { name: string; object: string },
): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d{1,19}$/.test(text)) {
    throw new AranyaError(
      "invalid",
      `Cannot read ${object}: ${name} is ${
        JSON.stringify(text)
      }, expected an integer`,
    );
  }
  // Numbers beyond 2^53 make no difference for a log.
  return Math.max(
    Number.MIN_SAFE_INTEGER,
    Math.min(Number.MAX_SAFE_INTEGER, Number(text)),
  );
}

function parseTime(text: string | null, object: string): string | undefined {
  if (text === null || text === "" || text === "null") return undefined;
  const rfc3339 =
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
  if (!rfc3339.test(text) || Number.isNaN(Date.parse(text))) {
    throw new AranyaError(
      "invalid",
      `Cannot read ${object}: sinceTime is ${
        JSON.stringify(text)
      }, expected an RFC 3339 time`,
    );
  }
  return text;
}

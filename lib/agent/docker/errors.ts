// SPDX-License-Identifier: Apache-2.0
/** Translates errors of the engine and of its connections; the only place that does. */
import {
  AranyaError,
  type ErrorCode,
  fromUtf8,
} from "../../shared/base/mod.ts";

const CODES_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  405: "unsupported",
  409: "conflict",
  501: "unsupported",
  503: "unavailable",
};
const MAX_TEXT_CHARS = 500;

/**
 * Returns the error for a response with a status of 400 or above. Its message has the engine's own
 * sentence as the state, `details.httpStatus` the status.
 */
export function fromStatus(
  status: number,
  { body, action }: { body: Uint8Array; action: string },
): AranyaError {
  return new AranyaError(
    CODES_BY_STATUS[status] ?? "internal",
    `${action}: ${parseMessage(body) ?? `Docker returned status ${status}`}`,
    { details: { httpStatus: status } },
  );
}

/** Returns "message" of a JSON body, or the beginning of a plain text. */
function parseMessage(body: Uint8Array): string | undefined {
  const text = fromUtf8(body).trim();
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string" && message !== "") return message;
  } catch {
    // Some proxies and very old engines return plain text.
  }
  return text === "" ? undefined : text.slice(0, MAX_TEXT_CHARS);
}

/** Marks errors of the engine's own connection; a registry may be unavailable too. */
const UNREACHABLE = { unreachable: "engine" };

/** Returns whether the engine itself could not be reached, or its connection failed. */
export function isEngineUnreachable(error: unknown): boolean {
  return error instanceof AranyaError &&
    error.details?.unreachable === UNREACHABLE.unreachable;
}

/** Returns whether the engine has reported that its disk is full. */
export function isEngineDiskFull(error: unknown): boolean {
  return error instanceof AranyaError &&
    /no space left on device|disk quota exceeded/i.test(error.message);
}

/**
 * Returns the error for a connection that could not be opened; code "unavailable".
 * @param host the engine's address
 */
export function fromDialError(error: unknown, host: string): AranyaError {
  return new AranyaError(
    "unavailable",
    `Cannot connect to Docker at "${host}": ${
      describeDialError(error)
    }, expected a running engine (runtime.docker.host in agent.yaml)`,
    { cause: error, details: UNREACHABLE },
  );
}

function describeDialError(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such socket";
  if (error instanceof Deno.errors.ConnectionRefused) {
    return "connection refused";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotCapable) {
    return `the agent's permission set doesn't allow it (${error.message})`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Returns the error for a connection that failed during an exchange; code "unavailable". */
export function fromBrokenConnection(
  error: unknown,
  action: string,
): AranyaError {
  const text = error instanceof Error ? error.message : String(error);
  return new AranyaError(
    "unavailable",
    `${action}: the connection to Docker failed (${text})`,
    { cause: error, details: UNREACHABLE },
  );
}

// SPDX-License-Identifier: Apache-2.0
/** The engine's failures in the house's words; the only place where they are translated. */
import {
  AranyaError,
  type ErrorCode,
  fromUtf8,
} from "../../shared/base/mod.ts";

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  405: "unsupported",
  409: "conflict",
  501: "unsupported",
  503: "unavailable",
};

/** An answer with a status of 400 and more. The engine's own sentence is kept as the state. */
export function fromStatus(
  status: number,
  body: Uint8Array,
  action: string,
): AranyaError {
  return new AranyaError(
    CODES[status] ?? "internal",
    `${action}: ${messageOf(body) ?? `Docker answered ${status}`}`,
    { details: { httpStatus: status } },
  );
}

function messageOf(body: Uint8Array): string | undefined {
  const text = fromUtf8(body).trim();
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string" && message !== "") return message;
  } catch {
    // Some proxies and very old engines answer in plain text.
  }
  return text === "" ? undefined : text.slice(0, 500);
}

/** A connection that could not be made. */
export function fromDialError(error: unknown, host: string): AranyaError {
  const action = `Cannot reach Docker at "${host}"`;
  const wanted = "expected a running engine there (see runtime.docker.host)";
  const state = error instanceof Deno.errors.NotFound
    ? "the socket does not exist"
    : error instanceof Deno.errors.ConnectionRefused
    ? "nobody listens there"
    : error instanceof Deno.errors.PermissionDenied
    ? "this user may not open it"
    : error instanceof Deno.errors.NotCapable
    ? `the agent's permission set does not allow it (${error.message})`
    : error instanceof Error
    ? error.message
    : String(error);
  return new AranyaError("unavailable", `${action}: ${state}, ${wanted}`, {
    cause: error,
  });
}

/** A connection that broke on the way. */
export function fromBrokenConnection(
  error: unknown,
  action: string,
): AranyaError {
  const text = error instanceof Error ? error.message : String(error);
  return new AranyaError(
    "unavailable",
    `${action}: the connection to Docker broke (${text})`,
    { cause: error },
  );
}

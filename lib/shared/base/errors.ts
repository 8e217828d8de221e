// SPDX-License-Identifier: Apache-2.0
/** The project's error class, and the table that maps its codes to HTTP, Kubernetes and wire. */

/** Why something failed; a closed set. docs/errors.md explains each to users. */
export type ErrorCode =
  | "invalid"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "already_exists"
  | "conflict"
  | "unsupported"
  | "unavailable"
  | "timed_out"
  | "cancelled"
  | "too_large"
  | "internal";

/** What one code becomes in each protocol that carries errors. */
export interface ErrorMapping {
  /** HTTP status of the kubelet API. */
  httpStatus: number;
  /** `reason` of a Kubernetes Status; empty where Kubernetes has none. */
  reason: string;
  /** Name of the `FailureKind` in proto/aranya.proto. */
  wireKind:
    | "COMMON"
    | "NOT_FOUND"
    | "ALREADY_EXISTS"
    | "NOT_SUPPORTED"
    | "TIMEOUT";
}

/** The mapping of every code. */
export const ERROR_MAPPINGS: Readonly<Record<ErrorCode, ErrorMapping>> = {
  invalid: {
    httpStatus: 400,
    reason: "BadRequest",
    wireKind: "COMMON",
  },
  unauthorized: {
    httpStatus: 401,
    reason: "Unauthorized",
    wireKind: "COMMON",
  },
  forbidden: {
    httpStatus: 403,
    reason: "Forbidden",
    wireKind: "COMMON",
  },
  not_found: {
    httpStatus: 404,
    reason: "NotFound",
    wireKind: "NOT_FOUND",
  },
  already_exists: {
    httpStatus: 409,
    reason: "AlreadyExists",
    wireKind: "ALREADY_EXISTS",
  },
  conflict: {
    httpStatus: 409,
    reason: "Conflict",
    wireKind: "COMMON",
  },
  unsupported: {
    httpStatus: 501,
    reason: "",
    wireKind: "NOT_SUPPORTED",
  },
  unavailable: {
    httpStatus: 503,
    reason: "ServiceUnavailable",
    wireKind: "COMMON",
  },
  timed_out: {
    httpStatus: 504,
    reason: "Timeout",
    wireKind: "TIMEOUT",
  },
  cancelled: {
    httpStatus: 499,
    reason: "InternalError",
    wireKind: "COMMON",
  },
  too_large: {
    httpStatus: 413,
    reason: "RequestEntityTooLarge",
    wireKind: "COMMON",
  },
  internal: {
    httpStatus: 500,
    reason: "InternalError",
    wireKind: "COMMON",
  },
};

/** Facts about an error, by name; never shown to users. */
export type ErrorDetails = Record<string, string | number | boolean>;

/** Options of {@linkcode AranyaError}. */
export interface AranyaErrorOptions {
  /** The error that led to this one; written at log level debug only. */
  cause?: unknown;
  /** Facts for the log and for callers that distinguish cases of one code. */
  details?: ErrorDetails;
}

/**
 * An error with a code and a message for users. The message has the form
 * `Cannot <verb> <object>: <state now>[, expected <state>]`.
 *
 * @example
 * ```ts
 * throw new AranyaError("not_found", `Cannot get pod "${name}": it does not exist`);
 * ```
 */
export class AranyaError extends Error {
  override readonly name = "AranyaError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: AranyaErrorOptions = {},
  ) {
    super(
      message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.details = options.details;
  }
}

/** Returns whether a text, e.g. from the wire, is one of the codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_MAPPINGS, text);
}

/** Returns whether this is an {@linkcode AranyaError} with the code, or one of the codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return error instanceof AranyaError && codes.includes(error.code);
}

/**
 * Returns an {@linkcode AranyaError} unchanged, and any other error as the cause of a new one whose
 * message begins with `action` (`Cannot <verb> <object>`). The new one's code is "cancelled" for an
 * AbortError, "timed_out" for a TimeoutError (as `AbortSignal.timeout` throws it), else "internal".
 */
export function asAranyaError(error: unknown, action: string): AranyaError {
  if (error instanceof AranyaError) return error;
  const name = error instanceof Error ? error.name : "";
  const text = error instanceof Error ? error.message : String(error);
  if (name === "AbortError") {
    return new AranyaError(
      "cancelled",
      `${action}: the request was cancelled`,
      { cause: error },
    );
  }
  if (name === "TimeoutError") {
    return new AranyaError("timed_out", `${action}: time ran out`, {
      cause: error,
    });
  }
  return new AranyaError("internal", `${action}: ${text}`, { cause: error });
}

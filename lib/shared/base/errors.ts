// SPDX-License-Identifier: Apache-2.0
/** The one error class of the project, and the table that maps its codes to every outside face (docs/errors.md). */

/** Why something failed; a closed set. `ERROR_FACES` says what each looks like outside. */
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

/** How one code appears on each outside face. */
export interface ErrorFace {
  /** HTTP status of the kubelet face. */
  httpStatus: number;
  /** `reason` of a Kubernetes Status; empty where Kubernetes has none. */
  reason: string;
  /** gRPC status code, by number (google.rpc.Code). */
  grpcCode: number;
  /** `FailureKind` of the wire protocol, by name. */
  wireKind:
    | "COMMON"
    | "NOT_FOUND"
    | "ALREADY_EXISTS"
    | "NOT_SUPPORTED"
    | "TIMEOUT";
  /** Whether the same call may work later. */
  retriable: boolean;
}

/** Every code's faces. */
export const ERROR_FACES: Readonly<Record<ErrorCode, ErrorFace>> = {
  invalid: {
    httpStatus: 400,
    reason: "BadRequest",
    grpcCode: 3,
    wireKind: "COMMON",
    retriable: false,
  },
  unauthorized: {
    httpStatus: 401,
    reason: "Unauthorized",
    grpcCode: 16,
    wireKind: "COMMON",
    retriable: false,
  },
  forbidden: {
    httpStatus: 403,
    reason: "Forbidden",
    grpcCode: 7,
    wireKind: "COMMON",
    retriable: false,
  },
  not_found: {
    httpStatus: 404,
    reason: "NotFound",
    grpcCode: 5,
    wireKind: "NOT_FOUND",
    retriable: false,
  },
  already_exists: {
    httpStatus: 409,
    reason: "AlreadyExists",
    grpcCode: 6,
    wireKind: "ALREADY_EXISTS",
    retriable: false,
  },
  conflict: {
    httpStatus: 409,
    reason: "Conflict",
    grpcCode: 10,
    wireKind: "COMMON",
    retriable: true,
  },
  unsupported: {
    httpStatus: 501,
    reason: "",
    grpcCode: 12,
    wireKind: "NOT_SUPPORTED",
    retriable: false,
  },
  unavailable: {
    httpStatus: 503,
    reason: "ServiceUnavailable",
    grpcCode: 14,
    wireKind: "COMMON",
    retriable: true,
  },
  timed_out: {
    httpStatus: 504,
    reason: "Timeout",
    grpcCode: 4,
    wireKind: "TIMEOUT",
    retriable: true,
  },
  cancelled: {
    httpStatus: 499,
    reason: "InternalError",
    grpcCode: 1,
    wireKind: "COMMON",
    retriable: false,
  },
  too_large: {
    httpStatus: 413,
    reason: "RequestEntityTooLarge",
    grpcCode: 8,
    wireKind: "COMMON",
    retriable: false,
  },
  internal: {
    httpStatus: 500,
    reason: "InternalError",
    grpcCode: 13,
    wireKind: "COMMON",
    retriable: false,
  },
};

/** Facts about an error for the log; never shown to users. */
export type ErrorDetails = Record<string, string | number | boolean>;

/** Options of {@linkcode AranyaError}. */
export interface AranyaErrorOptions {
  /** What led to it; goes to the debug log only. */
  cause?: unknown;
  /** Facts for the log. */
  details?: ErrorDetails;
}

/**
 * An error that somebody is meant to read. The message has the form
 * `Cannot <verb> <object>: <state now>[, expected <state>]`.
 */
export class AranyaError extends Error {
  override readonly name = "AranyaError";
  /** Why it failed. */
  readonly code: ErrorCode;
  /** Facts for the log. */
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

/** Whether this text is a code of ours, e.g. one that came over the wire. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_FACES, text);
}

/** Returns whether this is an {@linkcode AranyaError} with the code, or one of the codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return error instanceof AranyaError && codes.includes(error.code);
}

/**
 * The error itself when it is ours, else an "internal" one around it whose message begins with `action`
 * (`Cannot <verb> <object>`). Aborts become "cancelled", time-outs of AbortSignal "timed_out".
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

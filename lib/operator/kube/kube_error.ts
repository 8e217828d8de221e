// SPDX-License-Identifier: Apache-2.0
/** Errors of the API server (`metav1.Status`) as errors of this project. */
import {
  AranyaError,
  asAranyaError,
  type ErrorCode,
  hasCode,
} from "../../shared/base/mod.ts";

/** The fields of `metav1.Status` that are read. */
interface ApiStatus {
  message?: string;
  reason?: string;
  details?: { retryAfterSeconds?: number; causes?: { field?: string }[] };
}

/** The HTTP status of an object that fails its validation. */
const UNPROCESSABLE = 422;

const CODES: Record<number, ErrorCode> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  405: "unsupported",
  406: "unsupported",
  408: "timed_out",
  409: "conflict",
  410: "not_found",
  413: "too_large",
  415: "unsupported",
  422: "invalid",
  504: "timed_out",
};

/** A call that the API server answered with an error. */
export interface FailedCall {
  /** HTTP status. */
  status: number;
  /** Text of the reply: a `metav1.Status` in JSON, or anything else. */
  body: string;
  /** `<verb> <object>` */
  action: string;
}

/**
 * Returns the error for a call that failed. Its `details` hold the HTTP status, and reason and
 * `retryAfterSeconds` of the API server. HTTP statuses without a code of their own are
 * "unavailable". A patch for another UID, which the API server answers with 422 although nothing is
 * wrong with the patch, is a "conflict" like a deletion of another UID.
 */
export function toKubeError(call: FailedCall): AranyaError {
  const status = parseStatus(call.body);
  const reason = status.reason ?? "";
  const retryAfterSeconds = status.details?.retryAfterSeconds ?? 0;
  const details = { status: call.status, reason, retryAfterSeconds };
  if (call.status === UNPROCESSABLE && refusesUid(status)) {
    return new AranyaError(
      "conflict",
      `Cannot ${call.action}: another object has its name`,
      { details },
    );
  }
  const code: ErrorCode = reason === "AlreadyExists"
    ? "already_exists"
    : CODES[call.status] ?? "unavailable";
  const state = status.message ?? `the API server answered ${call.status}`;
  return new AranyaError(code, `Cannot ${call.action}: ${state}`, { details });
}

/**
 * Returns the error for a call that got no complete reply. Messages of the transport, which doesn't
 * know what was called, get `Cannot <action>: ` in front.
 */
export function toCallError(error: unknown, action: string): AranyaError {
  if (!(error instanceof AranyaError)) {
    return asAranyaError(error, `Cannot ${action}`);
  }
  if (error.message.startsWith("Cannot ")) return error;
  return new AranyaError(
    error.code,
    `Cannot ${action}: the API server can't be reached: ${error.message}`,
    { cause: error },
  );
}

/**
 * Returns whether the error is 410 Gone (reason "Expired"): the resourceVersion of a list page or
 * watch is too old, and the list has to be read again from the start.
 */
export function isExpired(error: unknown): boolean {
  return error instanceof AranyaError && error.details?.status === 410;
}

/**
 * Returns whether a patch with a `metadata.uid` was refused because an object with another UID has
 * the name.
 */
export function isOtherUid(error: unknown): boolean {
  return hasCode(error, "conflict") &&
    (error as AranyaError).details?.status === UNPROCESSABLE;
}

function refusesUid({ details }: ApiStatus): boolean {
  return details?.causes?.some(({ field }) => field === "metadata.uid") ??
    false;
}

function parseStatus(body: string): ApiStatus {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // Proxies, and an API server that is starting, answer with plain text.
    const line = body.trim().split("\n")[0]?.slice(0, 200) ?? "";
    return line === "" ? {} : { message: line };
  }
}

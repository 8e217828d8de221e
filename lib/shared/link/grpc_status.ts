// SPDX-License-Identifier: Apache-2.0
/** The only place where gRPC statuses become errors of ours. */
import { status as Code, type StatusObject } from "@grpc/grpc-js";
import { AranyaError, type ErrorCode } from "../base/mod.ts";

/** Texts for system errors, which the library only quotes in a status' details. */
const NETWORK_ERRORS: readonly { pattern: RegExp; text: string }[] = [
  { pattern: /ECONNREFUSED/, text: "connection refused" },
  {
    pattern:
      /ENOTFOUND|EAI_|Name resolution failed|Could not resolve|No such host|failed to lookup/i,
    text: "the host name can't be resolved",
  },
  { pattern: /EHOSTUNREACH|ENETUNREACH/, text: "no route to host" },
  { pattern: /ETIMEDOUT/, text: "connection timed out" },
  {
    pattern: /ECONNRESET|EPIPE|Connection dropped|Socket closed/i,
    text: "the connection was lost",
  },
];

/** Codes of a call that ended; every other status is "unavailable". */
const CODES: Partial<Record<number, ErrorCode>> = {
  [Code.CANCELLED]: "cancelled",
  [Code.DEADLINE_EXCEEDED]: "timed_out",
  [Code.UNAUTHENTICATED]: "unauthorized",
  [Code.PERMISSION_DENIED]: "forbidden",
};

const MAX_TEXT_LENGTH = 300;
const MAX_LOGGED_LENGTH = 1000;

/**
 * Returns the error for a call that ended with this status. `action` is `Cannot <verb> <object>`.
 */
export function toDialError(
  { code, details }: Pick<StatusObject, "code" | "details">,
  action: string,
): AranyaError {
  return new AranyaError(
    CODES[code] ?? "unavailable",
    `${action}: ${explain(code, details)}`,
    {
      details: {
        grpcCode: code,
        grpcDetails: details.slice(0, MAX_LOGGED_LENGTH),
      },
    },
  );
}

function explain(code: Code, details: string): string {
  if (code === Code.UNIMPLEMENTED) {
    return "the server is not an aranya operator";
  }
  if (code === Code.OK) return "the server closed the call at once";
  const known = NETWORK_ERRORS.find(({ pattern }) => pattern.test(details));
  if (known) return known.text;
  const text = details.replaceAll(/\s+/g, " ").trim().slice(0, MAX_TEXT_LENGTH);
  return text || `gRPC status ${code}`;
}

// SPDX-License-Identifier: Apache-2.0
/** gRPC statuses in the project's words; the one place where they are translated. */
import { status as Code, type StatusObject } from "@grpc/grpc-js";
import { AranyaError, type ErrorCode } from "../base/mod.ts";

/** What the library's texts mean, by the system error in them. */
const NETWORK_TEXTS: [RegExp, string][] = [
  [/ECONNREFUSED/, "the connection was refused"],
  [
    /ENOTFOUND|EAI_|Name resolution failed|Could not resolve|No such host|failed to lookup/i,
    "its name can't be resolved",
  ],
  [/EHOSTUNREACH|ENETUNREACH/, "there is no way there"],
  [/ETIMEDOUT/, "it does not answer"],
  [
    /ECONNRESET|EPIPE|Connection dropped|Socket closed/i,
    "the connection was lost",
  ],
];

const CODES: Partial<Record<number, ErrorCode>> = {
  [Code.CANCELLED]: "cancelled",
  [Code.DEADLINE_EXCEEDED]: "timed_out",
  [Code.UNAUTHENTICATED]: "unauthorized",
  [Code.PERMISSION_DENIED]: "forbidden",
};

/** The error for a call that ended with this status. */
export function toDialError(
  { code, details }: Pick<StatusObject, "code" | "details">,
  action: string,
): AranyaError {
  const why = code === Code.UNIMPLEMENTED
    ? "the server there is not an aranya operator"
    : code === Code.OK
    ? "the other end ended the call at once"
    : NETWORK_TEXTS.find(([pattern]) => pattern.test(details))?.[1] ??
      (details.replaceAll(/\s+/g, " ").trim().slice(0, 300) ||
        `gRPC status ${code}`);
  return new AranyaError(CODES[code] ?? "unavailable", `${action}: ${why}`, {
    details: { grpcCode: code, grpcDetails: details.slice(0, 1000) },
  });
}

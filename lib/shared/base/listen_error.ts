// SPDX-License-Identifier: Apache-2.0
/** Errors of the system when a server starts to listen. */
import { AranyaError, type ErrorCode } from "./errors.ts";

interface Explanation {
  code: ErrorCode;
  text: string;
}

const PORT_FORBIDDEN: Explanation = {
  code: "forbidden",
  text: "this process may not use the port",
};
/** "unavailable": an interface may get the address later, e.g. during boot. */
const FOREIGN_ADDRESS: Explanation = {
  code: "unavailable",
  text: "the address doesn't belong to this machine",
};

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  EADDRINUSE: { code: "conflict", text: "the port is taken" },
  EACCES: PORT_FORBIDDEN,
  EPERM: PORT_FORBIDDEN,
  EADDRNOTAVAIL: FOREIGN_ADDRESS,
  // Deno 2.9 reports EADDRNOTAVAIL as EINVAL.
  EINVAL: FOREIGN_ADDRESS,
  ENOTFOUND: { code: "unavailable", text: "the name can't be resolved" },
};

/**
 * Translates the error of a server that can't listen. Codes: "conflict" when the port is taken,
 * "forbidden" without the right to use it, else "unavailable".
 * @param action `Cannot listen on <address>`, for the message
 */
export function toListenError(error: unknown, action: string): AranyaError {
  const systemCode = error instanceof Error && "code" in error
    ? String(error.code)
    : "";
  const { code, text } = EXPLANATIONS[systemCode] ?? {
    code: "unavailable",
    text: error instanceof Error ? error.message : String(error),
  };
  return new AranyaError(code, `${action}: ${text}`, { cause: error });
}

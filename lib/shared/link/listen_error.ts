// SPDX-License-Identifier: Apache-2.0
/** Errors of listening in the project's words. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { AranyaError, type ErrorCode } from "../base/mod.ts";
import { formatEndpoint } from "../base/mod.ts";

const LISTEN_TEXTS: Record<string, [ErrorCode, string]> = {
  EADDRINUSE: ["conflict", "the port is taken"],
  EACCES: ["forbidden", "this process may not use the port"],
  EPERM: ["forbidden", "this process may not use the port"],
  EADDRNOTAVAIL: ["unavailable", "the address is none of this machine"],
  // Deno's word for the same.
  EINVAL: ["unavailable", "the address is none of this machine"],
  ENOTFOUND: ["unavailable", "the name can't be resolved"],
};

/** The error for an address that can't be listened on. */
export function toListenError(
  error: unknown,
  address: { host: string; port: number },
): AranyaError {
  const systemCode = error instanceof Error && "code" in error
    ? String(error.code)
    : "";
  const [code, why] = LISTEN_TEXTS[systemCode] ??
    ["unavailable", error instanceof Error ? error.message : String(error)];
  return new AranyaError(
    code,
    `Cannot listen on ${formatEndpoint(address)}: ${why}`,
    { cause: error },
  );
}

/** Checks that a server can use this certificate with this key; TLS itself would notice at the first connection only. @throws {AranyaError} code "invalid" */
export function checkTls(tls: { cert: string; key: string }): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(tls.cert).checkPrivateKey(
      createPrivateKey(tls.key),
    );
  } catch (error) {
    throw new AranyaError(
      "invalid",
      "Cannot use server certificate: it or its key can't be read",
      { cause: error },
    );
  }
  if (!fits) {
    throw new AranyaError(
      "invalid",
      "Cannot use server certificate: the key is not that of the certificate",
    );
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The certificate of a listener. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { AranyaError } from "../base/mod.ts";

/** Certificate of a server with the rest of its chain, and its private key, both PEM. */
export interface GrpcServerTls {
  cert: string;
  key: string;
}

/**
 * Checks that certificate and key belong together; TLS would fail only at the first connection.
 * @throws {AranyaError} code "invalid" when they don't, or when one can't be read
 */
export function checkServerTls(tls: GrpcServerTls): void {
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
      "Cannot use server certificate: the key belongs to another one",
    );
  }
}

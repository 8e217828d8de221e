// SPDX-License-Identifier: Apache-2.0
/**
 * Serving certificates, validated before a server uses them: a wrong one would fail every later
 * handshake.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { AranyaError } from "../../shared/base/mod.ts";

/** A serving certificate with its key, both PEM. */
export interface ServingTls {
  /** The certificate, with its chain behind it. */
  cert: string;
  /** Its key. */
  key: string;
  /** New PEM bundle of the CAs that sign client certificates. @default unchanged */
  clientCa?: string;
}

/** Options of a TLS server that requests a client certificate without requiring one. */
export interface TlsContext {
  /** The certificate, with its chain behind it. */
  cert: string;
  /** Its key. */
  key: string;
  ca: string;
  requestCert: true;
  rejectUnauthorized: false;
}

/**
 * Validates a certificate and its key.
 * @throws {AranyaError} "invalid" when one can't be parsed or they don't match
 */
export function toTlsContext(
  { cert, key, clientCa }: Required<ServingTls>,
  nodeName: string,
): TlsContext {
  validate({ cert, key, clientCa }, nodeName);
  return {
    cert,
    key,
    ca: clientCa,
    requestCert: true,
    rejectUnauthorized: false,
  };
}

/**
 * Checks a bundle of CAs for client certificates, each certificate of it.
 * @throws {AranyaError} "invalid" when it has none, or one can't be parsed
 */
export function validateClientCa(bundle: string): void {
  const blocks = bundle.match(
    /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g,
  );
  try {
    if (!blocks) throw new TypeError("no certificate in the PEM text");
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      "Cannot use client CA: a certificate of the bundle can't be parsed",
      { cause },
    );
  }
}

/**
 * The last valid input. Thousands of servers start with the same certificate, and validation costs
 * a millisecond.
 */
let checked: Required<ServingTls> | undefined;

function validate(tls: Required<ServingTls>, nodeName: string): void {
  const { cert, key, clientCa } = tls;
  const isKnown = checked?.cert === cert && checked.key === key &&
    checked.clientCa === clientCa;
  if (isKnown) return;
  const action = `Cannot serve node ${JSON.stringify(nodeName)}`;
  let matches: boolean;
  try {
    matches = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
    validateClientCa(clientCa);
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      `${action}: certificate, key or client CA can't be parsed`,
      { cause },
    );
  }
  if (!matches) {
    throw new AranyaError(
      "invalid",
      `${action}: certificate and key don't match`,
    );
  }
  checked = { cert, key, clientCa };
}

// SPDX-License-Identifier: Apache-2.0
/** Serving certificates: checked before a server gets them, since one that doesn't fit would end every later handshake. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { AranyaError } from "../../shared/base/mod.ts";

/** A serving certificate with its key, both PEM. */
export interface ServingTls {
  /** The certificate, with its chain behind it. */
  cert: string;
  /** Its key. */
  key: string;
  /** Takes the place of the bundle that client certificates are checked with. @default it stays */
  clientCa?: string;
}

/** What a TLS server takes: anyone may connect, and a certificate is looked at when there is one. */
export interface TlsContext {
  /** The certificate, with its chain behind it. */
  cert: string;
  /** Its key. */
  key: string;
  ca: string;
  requestCert: true;
  rejectUnauthorized: false;
}

/** Checks a certificate and its key. @throws {AranyaError} "invalid" when one can't be read or they don't belong together */
export function toTlsContext(
  { cert, key, clientCa }: Required<ServingTls>,
  nodeName: string,
): TlsContext {
  mustFit({ cert, key, clientCa }, nodeName);
  return {
    cert,
    key,
    ca: clientCa,
    requestCert: true,
    rejectUnauthorized: false,
  };
}

/** What was found right last: thousands of servers share one certificate at first. */
let checked: Required<ServingTls> | undefined;

function mustFit(tls: Required<ServingTls>, nodeName: string): void {
  const { cert, key, clientCa } = tls;
  const isKnown = checked?.cert === cert && checked.key === key &&
    checked.clientCa === clientCa;
  if (isKnown) return;
  const action = `Cannot serve node ${JSON.stringify(nodeName)}`;
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
    new X509Certificate(clientCa);
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      `${action}: certificate, key or client CA can't be read`,
      { cause },
    );
  }
  if (!fits) {
    throw new AranyaError(
      "invalid",
      `${action}: the certificate is of another key`,
    );
  }
  checked = { cert, key, clientCa };
}

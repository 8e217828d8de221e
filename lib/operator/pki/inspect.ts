// SPDX-License-Identifier: Apache-2.0
/** What a certificate, request or key says. */
import { createPublicKey } from "node:crypto";
import { AranyaError, sha256Hex } from "../../shared/base/mod.ts";
import { readCertificate } from "./authority.ts";
import {
  ALTERNATIVE_NAMES_OID,
  fromAlternativeNames,
  type SubjectNames,
  x509,
} from "./x509.ts";

/** Facts of a certificate. */
export interface CertificateFacts extends SubjectNames {
  commonName: string;
  organizations: string[];
  notBeforeMs: number;
  notAfterMs: number;
  /** Hexadecimal SHA-256 of the public key's SPKI: equal for a key, its requests and its certificates. */
  publicKey: string;
  isAuthority: boolean;
}

/** Facts of the first certificate in a PEM text. @throws {AranyaError} code "invalid" */
export async function inspectCertificate(
  pem: string,
): Promise<CertificateFacts> {
  const certificate = readCertificate(pem);
  return {
    ...await toFacts(certificate),
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    isAuthority: certificate.getExtension(x509.BasicConstraintsExtension)?.ca ??
      false,
  };
}

/** Facts of a signing request whose own signature is right. */
export type RequestFacts = Omit<
  CertificateFacts,
  "notBeforeMs" | "notAfterMs" | "isAuthority"
>;

/** Facts of a signing request. @throws {AranyaError} code "invalid", also when its signature is wrong */
export async function inspectRequest(pem: string): Promise<RequestFacts> {
  let request: x509.Pkcs10CertificateRequest;
  let signed: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(pem);
    signed = await request.verify();
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      "Cannot read signing request: it is none or damaged",
      { cause },
    );
  }
  if (!signed) {
    throw new AranyaError(
      "invalid",
      "Cannot read signing request: its signature is wrong",
    );
  }
  return await toFacts(request);
}

/** Hexadecimal SHA-256 of the SPKI of a private key's public half. @throws {AranyaError} code "invalid" */
export async function publicKeyOf(keyPem: string): Promise<string> {
  try {
    const spki = createPublicKey(keyPem).export({
      format: "der",
      type: "spki",
    });
    return await sha256Hex(new Uint8Array(spki));
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      "Cannot read private key: it is none in PEM",
      { cause },
    );
  }
}

/**
 * When to renew a certificate: somewhere between 70 and 90 % of its life, so that many of the same age don't come at once.
 * `random` is from 0 (included) to 1 (excluded). Milliseconds since 1970.
 */
export function toRenewalTimeMs(
  { notBeforeMs, notAfterMs }: { notBeforeMs: number; notAfterMs: number },
  { random = Math.random }: { random?: () => number } = {},
): number {
  return notBeforeMs + (notAfterMs - notBeforeMs) * (0.7 + 0.2 * random());
}

async function toFacts(
  source: x509.X509Certificate | x509.Pkcs10CertificateRequest,
): Promise<RequestFacts> {
  const spki = new Uint8Array(source.publicKey.rawData);
  return {
    commonName: source.subjectName.getField("CN")[0] ?? "",
    organizations: source.subjectName.getField("O"),
    publicKey: await sha256Hex(spki),
    ...fromAlternativeNames(
      source.extensions.find(({ type }) => type === ALTERNATIVE_NAMES_OID),
    ),
  };
}

// SPDX-License-Identifier: Apache-2.0
/** What a certificate, request or key says. */
import { AranyaError } from "../base/mod.ts";
import type { SubjectNames } from "./authority.ts";

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
export function inspectCertificate(pem: string): Promise<CertificateFacts> {
  throw new AranyaError(
    "unsupported",
    `Cannot read certificate of ${pem.length} characters: not built yet`,
  );
}

/** Facts of a signing request whose own signature is right. */
export type RequestFacts = Omit<
  CertificateFacts,
  "notBeforeMs" | "notAfterMs" | "isAuthority"
>;

/** Facts of a signing request. @throws {AranyaError} code "invalid", also when its signature is wrong */
export function inspectRequest(pem: string): Promise<RequestFacts> {
  throw new AranyaError(
    "unsupported",
    `Cannot read request of ${pem.length} characters: not built yet`,
  );
}

/** Hexadecimal SHA-256 of the SPKI of a private key's public half. @throws {AranyaError} code "invalid" */
export function publicKeyOf(keyPem: string): Promise<string> {
  throw new AranyaError(
    "unsupported",
    `Cannot read key of ${keyPem.length} characters: not built yet`,
  );
}

// SPDX-License-Identifier: Apache-2.0
/** Certificate signing requests (PKCS #10). */
import {
  exportKey,
  generateKeys,
  hashPublicKey,
  KEY_ALGORITHM,
  type SubjectNames,
  toAlternativeNames,
  x509,
} from "./x509.ts";

/** Distinguished name of a certificate. Empty fields are left out. */
export interface Subject {
  commonName: string;
  organizations?: string[];
  organizationalUnits?: string[];
  country?: string;
  state?: string;
  locality?: string;
}

/** Options of {@linkcode createSigningRequest}. */
export interface CreateSigningRequestOptions extends SubjectNames {
  subject: Subject;
}

/** A signing request and its private key. */
export interface SigningRequest {
  /** PKCS #10 request in PEM. */
  csr: string;
  /** Private key in PKCS #8 PEM. */
  key: string;
  /** As in `CertificateFacts`. */
  publicKeyHash: string;
}

/**
 * Generates a key and a request signed by it. Like a kubelet's, the request has no key usages: they
 * are in the CertificateSigningRequest object.
 * @throws {AranyaError} code "invalid" when an IP address can't be parsed
 */
export async function createSigningRequest(
  options: CreateSigningRequestOptions,
): Promise<SigningRequest> {
  const keys = await generateKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: toName(options.subject),
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: toAlternativeNames(options),
  });
  return {
    csr: request.toString("pem") + "\n",
    key: await exportKey(keys.privateKey),
    publicKeyHash: await hashPublicKey(keys.publicKey),
  };
}

/** Returns the fields in the usual order, from country to common name. */
function toName(subject: Subject): x509.JsonName {
  const fields: Record<string, string[]> = {
    C: [subject.country ?? ""],
    ST: [subject.state ?? ""],
    L: [subject.locality ?? ""],
    O: subject.organizations ?? [],
    OU: subject.organizationalUnits ?? [],
    CN: [subject.commonName],
  };
  return Object.entries(fields).flatMap(([name, values]) =>
    values.filter((value) => value !== "").map((value) => ({ [name]: [value] }))
  );
}

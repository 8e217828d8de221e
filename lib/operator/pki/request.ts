// SPDX-License-Identifier: Apache-2.0
/** Keys and certificate signing requests. */
import {
  exportKey,
  generateKeys,
  hashPublicKey,
  importKeys,
  KEY_ALGORITHM,
  type SubjectNames,
  toAlternativeNames,
  x509,
} from "./x509.ts";

/** Who a request is for. Empty fields are left out. */
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
  /** PKCS #8 PEM of a P-256 key. Absent: a new one. */
  key?: string;
}

/** A request with its key, both PEM; `publicKey` is the hexadecimal SHA-256 of the public key's SPKI. */
export interface SigningRequest {
  csr: string;
  key: string;
  publicKey: string;
}

/**
 * Makes a request signed by its key, as a kubelet makes it: what the key is for stands in the CertificateSigningRequest.
 * @throws {AranyaError} code "invalid" when the key can't be read or an address is none
 */
export async function createSigningRequest(
  options: CreateSigningRequestOptions,
): Promise<SigningRequest> {
  const keys = options.key === undefined
    ? await generateKeys()
    : await importKeys(options.key);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: toName(options.subject),
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: toAlternativeNames(options),
  });
  return {
    csr: request.toString("pem") + "\n",
    key: options.key ?? await exportKey(keys.privateKey),
    publicKey: await hashPublicKey(keys.publicKey),
  };
}

/** The parts of a name, from the widest to the narrowest. */
function toName(subject: Subject): x509.JsonName {
  const parts: [string, string[]][] = [
    ["C", [subject.country ?? ""]],
    ["ST", [subject.state ?? ""]],
    ["L", [subject.locality ?? ""]],
    ["O", subject.organizations ?? []],
    ["OU", subject.organizationalUnits ?? []],
    ["CN", [subject.commonName]],
  ];
  return parts.flatMap(([name, values]) =>
    values.filter((value) => value !== "").map((value) => ({ [name]: [value] }))
  );
}

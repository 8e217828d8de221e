// SPDX-License-Identifier: Apache-2.0
/** Keys and certificate signing requests. */
import { AranyaError } from "../base/mod.ts";
import type { SubjectNames } from "./authority.ts";

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

/** Makes a request signed by its key, for a server (digital signature, server auth). */
export function createSigningRequest(
  options: CreateSigningRequestOptions,
): Promise<SigningRequest> {
  throw new AranyaError(
    "unsupported",
    `Cannot create request for ${options.subject.commonName}: not built yet`,
  );
}

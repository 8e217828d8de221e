// SPDX-License-Identifier: Apache-2.0
/** A certificate authority of our own. */
import { AranyaError } from "../base/mod.ts";

/** A private key with its certificate, both PEM (PKCS #8). */
export interface KeyPair {
  cert: string;
  key: string;
}

/** Names and addresses that a certificate holds. */
export interface SubjectNames {
  /** IP addresses, IPv6 without brackets. */
  ips: string[];
  dnsNames: string[];
}

/** Options of {@linkcode createAuthority}. */
export interface CreateAuthorityOptions {
  /** Common name, e.g. "aranya edge". */
  name: string;
  /** @default 3650 */
  days?: number;
  /** @default now */
  nowMs?: number;
}

/** Makes a self-signed CA: ECDSA P-256, valid from two days ago. */
export function createAuthority(
  options: CreateAuthorityOptions,
): Promise<KeyPair> {
  throw new AranyaError(
    "unsupported",
    `Cannot create CA ${options.name}: not built yet`,
  );
}

/** Options of {@linkcode issueServerCertificate}. */
export interface IssueServerOptions extends SubjectNames {
  authority: KeyPair;
  commonName: string;
  /** @default 365; never longer than the authority's own */
  days?: number;
  /** @default now */
  nowMs?: number;
}

/** A new key with a server certificate of this authority (`cert` holds the leaf alone). @throws {AranyaError} code "invalid" */
export function issueServerCertificate(
  options: IssueServerOptions,
): Promise<KeyPair> {
  throw new AranyaError(
    "unsupported",
    `Cannot issue certificate ${options.commonName}: not built yet`,
  );
}

// SPDX-License-Identifier: Apache-2.0
/** A serving certificate with its key, and the time that it is valid. */
import type { Secret } from "../kube/mod.ts";
import {
  hashPublicKeyOf,
  inspectCertificate,
  type KeyPair,
  type SubjectNames,
} from "../pki/mod.ts";
import { readTlsSecret } from "./tls_secret.ts";

/** A certificate with its key. */
export interface Certificate {
  tls: KeyPair;
  validity: Validity;
}

/** The time that a certificate is valid, in milliseconds since 1970. */
export interface Validity {
  notBeforeMs: number;
  notAfterMs: number;
}

/** What a certificate has to be for. */
export interface CertificateNames extends SubjectNames {
  commonName: string;
}

/**
 * Returns the certificate of a Secret; undefined when there is none, it can't be read, or it isn't
 * for these names. It may have ended.
 */
export async function readCertificate(
  secret: Secret | undefined,
  { commonName, ips, dnsNames }: CertificateNames,
): Promise<Certificate | undefined> {
  const tls = readTlsSecret(secret);
  if (!tls) return undefined;
  try {
    const facts = await inspectCertificate(tls.cert);
    const isForNames = facts.commonName === commonName &&
      ips.every((ip) => facts.ips.includes(ip)) &&
      dnsNames.every((name) => facts.dnsNames.includes(name)) &&
      facts.publicKeyHash === await hashPublicKeyOf(tls.key);
    return isForNames ? toCertificate(tls, facts) : undefined;
  } catch {
    return undefined; // unreadable, so a new one is requested
  }
}

/**
 * Returns a certificate with the time that it is valid.
 * @throws {AranyaError} code "invalid" when it can't be parsed
 */
export async function inspectPair(tls: KeyPair): Promise<Certificate> {
  return toCertificate(tls, await inspectCertificate(tls.cert));
}

function toCertificate(
  tls: KeyPair,
  { notBeforeMs, notAfterMs }: Validity,
): Certificate {
  return { tls, validity: { notBeforeMs, notAfterMs } };
}

/** Returns when a share of the lifetime has passed, in milliseconds since 1970. */
export function momentOf(
  { notBeforeMs, notAfterMs }: Validity,
  share: number,
): number {
  return notBeforeMs + share * (notAfterMs - notBeforeMs);
}

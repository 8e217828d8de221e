// SPDX-License-Identifier: Apache-2.0
/** A certificate authority of our own. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  BACKDATE_MS,
  DAY_MS,
  exportKey,
  generateKeys,
  importKeys,
  KEY_ALGORITHM,
  serverUsages,
  type SubjectNames,
  toAlternativeNames,
  x509,
} from "./x509.ts";

export type { SubjectNames } from "./x509.ts";

/** A private key with its certificate, both PEM (PKCS #8). */
export interface KeyPair {
  cert: string;
  key: string;
}

/** Options of {@linkcode createAuthority}. */
export interface CreateAuthorityOptions {
  /** Common name, e.g. "aranya edge". */
  name: string;
  /** PEM of a key to go on with: what it signed before stays valid under the new certificate. Absent: a new one. */
  key?: string;
  /** @default 3650 */
  days?: number;
  /** @default now */
  nowMs?: number;
}

/** Makes a self-signed CA: ECDSA P-256, valid from two days ago. @throws {AranyaError} code "invalid" when the key can't be read */
export async function createAuthority(
  options: CreateAuthorityOptions,
): Promise<KeyPair> {
  const { name, days = 3650, nowMs = Date.now() } = options;
  const keys = options.key === undefined
    ? await generateKeys()
    : await importKeys(options.key);
  const critical = true;
  const isAuthority = true;
  const intermediateCount = 0;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + days * DAY_MS),
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(
        isAuthority,
        intermediateCount,
        critical,
      ),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        critical,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    cert: certificate.toString("pem") + "\n",
    key: await exportKey(keys.privateKey),
  };
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

/**
 * A new key with a server certificate of this authority (`cert` holds the leaf alone).
 * @throws {AranyaError} code "invalid" when the authority can't be read or has ended, or a name can't be used
 */
export async function issueServerCertificate(
  options: IssueServerOptions,
): Promise<KeyPair> {
  const { authority, commonName, days = 365, nowMs = Date.now() } = options;
  const issuer = readCertificate(authority.cert);
  if (issuer.notAfter.getTime() <= nowMs) {
    throw new AranyaError(
      "invalid",
      `Cannot issue certificate "${commonName}": the authority's own ended ${issuer.notAfter.toISOString()}`,
    );
  }
  const { privateKey: signingKey } = await importKeys(authority.key);
  const keys = await generateKeys();
  const critical = true;
  const isAuthority = false;
  const certificate = await x509.X509CertificateGenerator.create({
    issuer: issuer.subjectName,
    subject: [{ CN: [commonName] }],
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(
      Math.min(nowMs + days * DAY_MS, issuer.notAfter.getTime()),
    ),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, critical),
      ...serverUsages(),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...toAlternativeNames(options),
    ],
  });
  return {
    cert: certificate.toString("pem") + "\n",
    key: await exportKey(keys.privateKey),
  };
}

/** The first certificate of a PEM text. @throws {AranyaError} code "invalid" */
export function readCertificate(pem: string): x509.X509Certificate {
  const [first] = pem.match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/,
  ) ?? [];
  try {
    if (first !== undefined) return new x509.X509Certificate(first);
  } catch (cause) {
    throw new AranyaError("invalid", "Cannot read certificate: it is damaged", {
      cause,
    });
  }
  throw new AranyaError(
    "invalid",
    "Cannot read certificate: there is none in the PEM text",
  );
}

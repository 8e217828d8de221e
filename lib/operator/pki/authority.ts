// SPDX-License-Identifier: Apache-2.0
/** A private certificate authority: its certificate, and the server certificates that it issues. */
import { AranyaError } from "../../shared/base/mod.ts";
import { parseCertificate } from "./certificate.ts";
import {
  BACKDATE_MS,
  DAY_MS,
  exportKey,
  generateKeys,
  importKeys,
  KEY_ALGORITHM,
  type SubjectNames,
  toAlternativeNames,
  x509,
} from "./x509.ts";

/** A certificate in PEM, and its private key in PKCS #8 PEM. */
export interface KeyPair {
  cert: string;
  key: string;
}

/** Options of {@linkcode createAuthority}. */
export interface CreateAuthorityOptions {
  /** Common name, e.g. "aranya edge". */
  name: string;
  /** Days of validity. @default 3650 */
  days?: number;
  /** Wall-clock time, in milliseconds since 1970. @default now */
  nowMs?: number;
}

/**
 * Creates a CA with a new key and a self-signed certificate. It is valid from two days ago, and may
 * not sign other CAs.
 */
export async function createAuthority(
  options: CreateAuthorityOptions,
): Promise<KeyPair> {
  const { name, days = 3650, nowMs = Date.now() } = options;
  const keys = await generateKeys();
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
export interface IssueServerCertificateOptions extends SubjectNames {
  authority: KeyPair;
  commonName: string;
  /** Days of validity; the certificate never outlives that of the CA. @default 365 */
  days?: number;
  /** Wall-clock time, in milliseconds since 1970. @default now */
  nowMs?: number;
}

/**
 * Issues a TLS server certificate with a new key. `cert` holds the leaf certificate alone.
 * @throws {AranyaError} code "invalid" when the CA can't be parsed or has expired, or an IP address
 * can't be parsed
 */
export async function issueServerCertificate(
  options: IssueServerCertificateOptions,
): Promise<KeyPair> {
  const { authority, commonName, days = 365, nowMs = Date.now() } = options;
  const issuer = parseCertificate(authority.cert);
  if (issuer.notAfter.getTime() <= nowMs) {
    throw new AranyaError(
      "invalid",
      `Cannot issue certificate ${
        JSON.stringify(commonName)
      }: the CA expired at ${issuer.notAfter.toISOString()}`,
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
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature,
        critical,
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
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

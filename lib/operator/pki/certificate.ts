// SPDX-License-Identifier: Apache-2.0
/** Reading certificates and private keys. */
import { createPublicKey } from "node:crypto";
import { AranyaError, sha256Hex } from "../../shared/base/mod.ts";
import {
  ALTERNATIVE_NAMES_OID,
  fromAlternativeNames,
  type SubjectNames,
  x509,
} from "./x509.ts";

/** Contents of a certificate. */
export interface CertificateFacts extends SubjectNames {
  /** Of the subject; "" without one. */
  commonName: string;
  /** In milliseconds since 1970. */
  notBeforeMs: number;
  /** In milliseconds since 1970. */
  notAfterMs: number;
  /**
   * SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits: the same for a key, its signing
   * requests and its certificates.
   */
  publicKeyHash: string;
  /** Whether it is a CA (BasicConstraints). */
  isAuthority: boolean;
}

/**
 * Parses the first certificate of a PEM text.
 * @throws {AranyaError} code "invalid" when there is none, or it can't be parsed
 */
export function parseCertificate(pem: string): x509.X509Certificate {
  const [first] = pem.match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/,
  ) ?? [];
  if (first === undefined) {
    throw new AranyaError(
      "invalid",
      "Cannot parse certificate: no certificate in the PEM text",
    );
  }
  try {
    return new x509.X509Certificate(first);
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      "Cannot parse certificate: not an X.509 certificate",
      { cause },
    );
  }
}

/** Returns the certificates of a PEM text, each with a newline at its end. */
export function splitPem(pem: string): string[] {
  return pem.match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
  )?.map((certificate) => `${certificate}\n`) ?? [];
}

/**
 * Returns the contents of the first certificate of a PEM text. Does not check its signature.
 * @throws {AranyaError} code "invalid" when there is none, or it can't be parsed
 */
export async function inspectCertificate(
  pem: string,
): Promise<CertificateFacts> {
  const certificate = parseCertificate(pem);
  const { subjectName, extensions, publicKey } = certificate;
  return {
    commonName: subjectName.getField("CN")[0] ?? "",
    ...fromAlternativeNames(
      extensions.find(({ type }) => type === ALTERNATIVE_NAMES_OID),
    ),
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    publicKeyHash: await sha256Hex(new Uint8Array(publicKey.rawData)),
    isAuthority: certificate.getExtension(x509.BasicConstraintsExtension)?.ca ??
      false,
  };
}

/**
 * Returns the `publicKeyHash` of a private key in PEM, to compare it with that of a certificate.
 * @throws {AranyaError} code "invalid" when it can't be parsed
 */
export async function hashPublicKeyOf(keyPem: string): Promise<string> {
  try {
    const spki = createPublicKey(keyPem).export({
      format: "der",
      type: "spki",
    });
    return await sha256Hex(new Uint8Array(spki));
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      "Cannot parse private key: not a key in PEM",
      { cause },
    );
  }
}

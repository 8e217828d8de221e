// SPDX-License-Identifier: Apache-2.0
/** The X.509 library, and the keys and extensions that all certificates of this room share. */
// @peculiar/x509 needs the Reflect polyfill to be loaded before it.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import { AranyaError, sha256Hex } from "../../shared/base/mod.ts";

export { x509 };

/** Algorithm of every key: ECDSA on P-256 with SHA-256. */
export const KEY_ALGORITHM = {
  name: "ECDSA",
  namedCurve: "P-256",
  hash: "SHA-256",
} as const;

/** `notBefore` lies this far in the past, for devices and nodes whose clocks are behind. */
export const BACKDATE_MS = 48 * 3_600_000;

/** One day, in milliseconds. */
export const DAY_MS = 86_400_000;

/** subjectAltName (RFC 5280, section 4.2.1.6). */
export const ALTERNATIVE_NAMES_OID = "2.5.29.17";

/** Subject alternative names of a certificate. */
export interface SubjectNames {
  /** IP addresses, IPv6 without brackets. */
  ips: string[];
  dnsNames: string[];
}

/** Generates a key pair that can be exported. */
export async function generateKeys(): Promise<CryptoKeyPair> {
  const extractable = true;
  return await crypto.subtle.generateKey(KEY_ALGORITHM, extractable, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
}

/**
 * Reads a private key in PKCS #8 PEM, and derives its public key.
 * @throws {AranyaError} code "invalid" when it isn't a P-256 key
 */
export async function importKeys(pem: string): Promise<CryptoKeyPair> {
  const extractable = true;
  try {
    const key = createPrivateKey(pem);
    const spki = createPublicKey(pem).export({ format: "der", type: "spki" });
    const pkcs8 = key.export({ format: "der", type: "pkcs8" });
    return {
      privateKey: await crypto.subtle.importKey(
        "pkcs8",
        new Uint8Array(pkcs8),
        KEY_ALGORITHM,
        extractable,
        ["sign"],
      ),
      publicKey: await crypto.subtle.importKey(
        "spki",
        new Uint8Array(spki),
        KEY_ALGORITHM,
        extractable,
        ["verify"],
      ),
    };
  } catch (cause) {
    throw new AranyaError(
      "invalid",
      "Cannot parse private key: not a P-256 key in PKCS #8 PEM",
      { cause },
    );
  }
}

/** Returns a private key in PKCS #8 PEM. */
export async function exportKey(key: CryptoKey): Promise<string> {
  const der = await crypto.subtle.exportKey("pkcs8", key);
  return x509.PemConverter.encode(der, "PRIVATE KEY") + "\n";
}

/** Returns the SHA-256 of a public key's SubjectPublicKeyInfo, in hexadecimal digits. */
export async function hashPublicKey(key: CryptoKey): Promise<string> {
  const spki = await crypto.subtle.exportKey("spki", key);
  return await sha256Hex(new Uint8Array(spki));
}

/**
 * Returns the subjectAltName extension; an empty array when there are no names.
 * @throws {AranyaError} code "invalid" when an IP address can't be parsed
 */
export function toAlternativeNames(
  { ips, dnsNames }: SubjectNames,
): x509.Extension[] {
  for (const ip of ips) {
    if (!isIPv4(ip) && !isIPv6(ip)) {
      throw new AranyaError(
        "invalid",
        `Cannot create certificate for ${
          JSON.stringify(ip)
        }: not an IP address`,
      );
    }
  }
  if (ips.length + dnsNames.length === 0) return [];
  return [
    new x509.SubjectAlternativeNameExtension([
      ...dnsNames.map((value) => ({ type: "dns" as const, value })),
      ...ips.map((value) => ({ type: "ip" as const, value })),
    ]),
  ];
}

/** Returns the names in a subjectAltName extension, in order; names of other types are left out. */
export function fromAlternativeNames(
  extension: x509.Extension | undefined,
): SubjectNames {
  const names = extension === undefined
    ? []
    : new x509.SubjectAlternativeNameExtension(extension.rawData).names
      .toJSON();
  const valuesOf = (wanted: string) =>
    names.filter(({ type }) => type === wanted).map(({ value }) => value);
  return { ips: valuesOf("ip"), dnsNames: valuesOf("dns") };
}

// SPDX-License-Identifier: Apache-2.0
/** The certificate library, and what it needs of us. Its dependency asks for the Reflect polyfill to be there first. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import { AranyaError, sha256Hex } from "../../shared/base/mod.ts";

export { x509 };

/** Every key of ours: ECDSA on P-256. */
export const KEY_ALGORITHM = {
  name: "ECDSA",
  namedCurve: "P-256",
  hash: "SHA-256",
} as const;

/** Certificates begin this long before they are made: devices' and nodes' clocks differ. */
export const BACKDATE_MS = 48 * 3_600_000;

/** One day in milliseconds. */
export const DAY_MS = 86_400_000;

/** Names and addresses that a certificate holds. */
export interface SubjectNames {
  /** IP addresses, IPv6 without brackets. */
  ips: string[];
  dnsNames: string[];
}

/** A new key pair. */
export async function generateKeys(): Promise<CryptoKeyPair> {
  const extractable = true;
  return await crypto.subtle.generateKey(KEY_ALGORITHM, extractable, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
}

/** Reads a PKCS #8 PEM. @throws {AranyaError} code "invalid" when it isn't a P-256 key */
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
      "Cannot read private key: it is no P-256 key in PKCS #8 PEM",
      { cause },
    );
  }
}

/** PKCS #8 PEM of a private key. */
export async function exportKey(key: CryptoKey): Promise<string> {
  const der = await crypto.subtle.exportKey("pkcs8", key);
  return x509.PemConverter.encode(der, "PRIVATE KEY") + "\n";
}

/** Hexadecimal SHA-256 of a public key's SPKI. */
export async function hashPublicKey(key: CryptoKey): Promise<string> {
  const spki = await crypto.subtle.exportKey("spki", key);
  return await sha256Hex(new Uint8Array(spki));
}

/** The extension for names and addresses; none when both are empty. @throws {AranyaError} code "invalid" for what is no IP address */
export function toAlternativeNames(
  { ips, dnsNames }: SubjectNames,
): x509.Extension[] {
  for (const ip of ips) {
    if (!isIPv4(ip) && !isIPv6(ip)) {
      throw new AranyaError(
        "invalid",
        `Cannot put ${
          JSON.stringify(ip)
        } into a certificate: it is no IP address`,
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

/** subjectAltName, RFC 5280 section 4.2.1.6. */
export const ALTERNATIVE_NAMES_OID = "2.5.29.17";

/** Names and addresses in that extension, in order. */
export function fromAlternativeNames(
  extension: x509.Extension | undefined,
): SubjectNames {
  const names = extension === undefined
    ? []
    : new x509.SubjectAlternativeNameExtension(extension.rawData).names
      .toJSON();
  return {
    ips: names.filter(({ type }) => type === "ip").map(({ value }) => value),
    dnsNames: names.filter(({ type }) => type === "dns").map(({ value }) =>
      value
    ),
  };
}

/** What a server's certificate or request is for. */
export function serverUsages(): x509.Extension[] {
  const critical = true;
  return [
    new x509.KeyUsagesExtension(
      x509.KeyUsageFlags.digitalSignature,
      critical,
    ),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
  ];
}

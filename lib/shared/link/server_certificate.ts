// SPDX-License-Identifier: Apache-2.0
/** Verification of a server's certificate by a device whose clock may be wrong. */
import { X509Certificate } from "node:crypto";
import {
  checkServerIdentity,
  rootCertificates,
  type TLSSocket,
} from "node:tls";
import { AranyaError } from "../base/mod.ts";

/** Upper bound of a chain's length. */
const MAX_CHAIN_LENGTH = 8;

/** Options of {@linkcode verifyServer}. */
export interface VerifyServerOptions {
  /** `Cannot connect to <end point>`, for the error's text. */
  action: string;
  /** Name or address that the certificate must have. */
  serverName: string;
  /** PEM of the CAs that are trusted. Absent: the well-known ones. */
  ca?: string | undefined;
  /** This device's time, in milliseconds since 1970. */
  nowMs: number;
}

/** Result of {@linkcode verifyServer} for a certificate that can be trusted. */
export interface VerifiedServer {
  /** The certificate's validity begins in this device's future: its clock must be wrong. */
  notYetValid: boolean;
}

/**
 * Verifies the certificate of a TLS connection that was made with `rejectUnauthorized: false`.
 *
 * A certificate that is not valid *yet* is accepted when everything else is right: this device's
 * clock must be behind, e.g. in 1970. That is safe because the operator authenticates itself in the
 * Noise handshake as well; refusing would lock out devices without a real-time clock.
 * @throws {AranyaError} code "unauthorized", with the problem of the certificate
 */
export function verifyServer(
  socket: TLSSocket,
  options: VerifyServerOptions,
): VerifiedServer {
  const withChain = true;
  const peer = socket.getPeerCertificate(withChain);
  if (!peer?.raw) throw untrusted(options, "it has no certificate");
  const mismatch = checkServerIdentity(options.serverName, peer);
  if (mismatch) {
    throw untrusted(
      options,
      `its certificate is for ${
        peer.subjectaltname ?? "no name"
      }, expected ${options.serverName}`,
      mismatch,
    );
  }
  if (socket.authorized) return { notYetValid: false };
  const chain: X509Certificate[] = [];
  for (
    let link: typeof peer | undefined = peer;
    link?.raw && chain.length < MAX_CHAIN_LENGTH;
    link = link.issuerCertificate === link ? undefined : link.issuerCertificate
  ) chain.push(new X509Certificate(link.raw));
  return verifyChain(chain, options, String(socket.authorizationError));
}

/** Verifies a chain that TLS itself has rejected with `tlsError`. */
function verifyChain(
  chain: X509Certificate[],
  options: VerifyServerOptions,
  tlsError: string,
): VerifiedServer {
  const [leaf] = chain;
  const path = leaf && findPath(chain, toCertificates(options.ca));
  if (!path) {
    throw untrusted(
      options,
      `its certificate (${oneLine(leaf?.subject)}) is signed by "${
        oneLine(leaf?.issuer)
      }", which is not a CA that this device trusts`,
    );
  }
  const now = new Date(options.nowMs).toISOString();
  const expired = path.find((certificate) =>
    certificate.validToDate.getTime() < options.nowMs
  );
  if (expired) {
    throw untrusted(
      options,
      `certificate "${
        oneLine(expired.subject)
      }" expired at ${expired.validToDate.toISOString()}; this device's time is ${now}`,
    );
  }
  if (
    path.some((certificate) =>
      certificate.validFromDate.getTime() > options.nowMs
    )
  ) return { notYetValid: true };
  throw untrusted(options, `its certificate can't be used: ${tlsError}`);
}

/** Returns the certificates from the server's to a trusted one; undefined without such a path. */
function findPath(
  chain: X509Certificate[],
  trusted: X509Certificate[],
): X509Certificate[] | undefined {
  const path: X509Certificate[] = [];
  let current = chain[0];
  while (current && path.length < MAX_CHAIN_LENGTH) {
    path.push(current);
    const anchor = trusted.find((issuer) => isSignedBy(current, issuer));
    if (anchor) return [...path, anchor];
    current = chain.find((issuer) =>
      !path.includes(issuer) && isSignedBy(current, issuer)
    );
  }
  return undefined;
}

/** Returns whether `issuer` is a CA and has signed the certificate. */
function isSignedBy(
  certificate: X509Certificate | undefined,
  issuer: X509Certificate,
): boolean {
  return certificate !== undefined && issuer.ca &&
    certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/**
 * Parses the certificates in a PEM text; without one, returns the well-known CAs.
 * @throws {AranyaError} code "invalid" when there is none or one can't be read
 */
export function toCertificates(pem: string | undefined): X509Certificate[] {
  const blocks = pem === undefined
    ? [...rootCertificates]
    : pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ??
      [];
  if (blocks.length === 0) throw unreadable("there is no certificate in it");
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw unreadable("it is damaged", error);
  }
}

function unreadable(problem: string, cause?: unknown): AranyaError {
  return new AranyaError("invalid", `Cannot read CA certificate: ${problem}`, {
    cause,
  });
}

function untrusted(
  { action }: VerifyServerOptions,
  problem: string,
  cause?: unknown,
): AranyaError {
  return new AranyaError("unauthorized", `${action}: ${problem}`, { cause });
}

/** Joins the lines of a distinguished name, one per attribute. */
function oneLine(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}

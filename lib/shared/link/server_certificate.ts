// SPDX-License-Identifier: Apache-2.0
/**
 * Whether a server's certificate may be trusted, by a device whose clock may be wrong. A certificate that is not valid *yet* is
 * taken when all else is right: it means that our clock stands before the day it was made, e.g. in 1970. That is sound here because
 * the operator proves itself in the Noise handshake anyway; refusing would lock out devices without a real-time clock for ever.
 */
import { X509Certificate } from "node:crypto";
import {
  checkServerIdentity,
  rootCertificates,
  type TLSSocket,
} from "node:tls";
import { AranyaError } from "../base/mod.ts";

/** Longest chain that is followed. */
const MAX_CHAIN_LENGTH = 8;

/** Options of {@linkcode judgeServer}. */
export interface JudgeServerOptions {
  /** `Cannot connect to <end point>`, for the error's text. */
  action: string;
  /** Name or address that the certificate must hold. */
  serverName: string;
  /** PEM of the CAs that may have signed it. Absent: the well-known ones. */
  ca?: string | undefined;
  /** This device's time, milliseconds since 1970. */
  nowMs: number;
}

/** What {@linkcode judgeServer} finds when it does not throw. */
export interface ServerJudgement {
  /** The certificate begins in this device's future: its clock must be wrong. */
  notYetValid: boolean;
}

/**
 * Judges a TLS connection that was made without checks (`rejectUnauthorized: false`).
 * @throws {AranyaError} code "unauthorized", with what is wrong about the certificate
 */
export function judgeServer(
  socket: TLSSocket,
  options: JudgeServerOptions,
): ServerJudgement {
  const withChain = true;
  const peer = socket.getPeerCertificate(withChain);
  if (!peer?.raw) throw unauthorized(options, "it shows no certificate");
  const mismatch = checkServerIdentity(options.serverName, peer);
  if (mismatch) {
    throw unauthorized(
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
  return judgeChain(chain, options, String(socket.authorizationError));
}

function judgeChain(
  chain: X509Certificate[],
  options: JudgeServerOptions,
  verdict: string,
): ServerJudgement {
  const [leaf] = chain;
  const path = leaf && findPath(chain, toCertificates(options.ca));
  if (!path) {
    throw unauthorized(
      options,
      `its certificate (${
        oneLine(leaf?.subject)
      }) was not signed by the CA that this device knows but by "${
        oneLine(leaf?.issuer)
      }"`,
    );
  }
  const today = new Date(options.nowMs).toISOString();
  const expired = path.find((each) =>
    each.validToDate.getTime() < options.nowMs
  );
  if (expired) {
    throw unauthorized(
      options,
      `certificate "${
        oneLine(expired.subject)
      }" ended ${expired.validToDate.toISOString()}; this device's time is ${today}`,
    );
  }
  if (path.some((each) => each.validFromDate.getTime() > options.nowMs)) {
    return { notYetValid: true };
  }
  throw unauthorized(options, `its certificate can't be used: ${verdict}`);
}

/** The certificates from the server's up to a trusted one; undefined when there is no such way. */
function findPath(
  chain: X509Certificate[],
  trusted: X509Certificate[],
): X509Certificate[] | undefined {
  const path: X509Certificate[] = [];
  let current = chain[0];
  while (current && path.length < MAX_CHAIN_LENGTH) {
    path.push(current);
    const anchor = trusted.find((each) => isSignedBy(current, each));
    if (anchor) return [...path, anchor];
    current = chain.find((each) =>
      !path.includes(each) && isSignedBy(current, each)
    );
  }
  return undefined;
}

function isSignedBy(
  certificate: X509Certificate | undefined,
  issuer: X509Certificate,
): boolean {
  return certificate !== undefined && issuer.ca &&
    certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Certificates of a PEM text, or the well-known ones. @throws {AranyaError} code "invalid" */
export function toCertificates(pem: string | undefined): X509Certificate[] {
  const texts = pem === undefined
    ? [...rootCertificates]
    : pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ??
      [];
  if (texts.length === 0) throw unreadable("it holds no certificate");
  try {
    return texts.map((text) => new X509Certificate(text));
  } catch (error) {
    throw unreadable("it is damaged", error);
  }
}

function unreadable(why: string, cause?: unknown): AranyaError {
  return new AranyaError("invalid", `Cannot read CA certificate: ${why}`, {
    cause,
  });
}

function unauthorized(
  { action }: JudgeServerOptions,
  why: string,
  cause?: unknown,
): AranyaError {
  return new AranyaError("unauthorized", `${action}: ${why}`, { cause });
}

/** Subjects have a line for each part. */
function oneLine(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}

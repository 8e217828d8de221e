// SPDX-License-Identifier: Apache-2.0
/**
 * Certificates and keys: a private CA, server certificates, signing requests, credentials of
 * devices. Names and times come in; PEM texts and bytes go out. This room never stores anything,
 * and never talks to the API server.
 *
 * @example
 * ```ts
 * const authority = await createAuthority({ name: "aranya edge" });
 * const names = { ips: ["10.0.0.1"], dnsNames: [] };
 * const tls = await issueServerCertificate({ authority, commonName: "operator", ...names });
 * const { notAfterMs } = await inspectCertificate(tls.cert);
 * ```
 *
 * @module
 */
export {
  createAuthority,
  type CreateAuthorityOptions,
  issueServerCertificate,
  type IssueServerCertificateOptions,
  type KeyPair,
} from "./authority.ts";
export {
  type CertificateFacts,
  hashPublicKeyOf,
  inspectCertificate,
  splitPem,
} from "./certificate.ts";
export { createCredential } from "./credential.ts";
export {
  createSigningRequest,
  type CreateSigningRequestOptions,
  type SigningRequest,
  type Subject,
} from "./signing_request.ts";
export type { SubjectNames } from "./x509.ts";

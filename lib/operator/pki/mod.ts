// SPDX-License-Identifier: Apache-2.0
/**
 * Certificates and keys: a CA of our own, server certificates, signing requests, devices' credentials. Values come in, PEM texts and bytes go out.
 * This room never stores anything and never talks to the API server.
 *
 * @module
 */
export {
  createAuthority,
  type CreateAuthorityOptions,
  issueServerCertificate,
  type IssueServerOptions,
  type KeyPair,
  type SubjectNames,
} from "./authority.ts";
export * from "./credential.ts";
export * from "./inspect.ts";
export * from "./request.ts";

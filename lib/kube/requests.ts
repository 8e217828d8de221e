// SPDX-License-Identifier: Apache-2.0
/** Calls with a twist of their own: certificates, tokens, reviews. */
import type { CallOptions, KubeClient } from "./api.ts";
import type { Informer } from "./informer.ts";
import type {
  CertificateSigningRequest,
  KubeUser,
  ResourceAttributes,
  TokenRequest,
} from "./objects.ts";

/** Options of {@linkcode requestCertificate}. */
export interface CertificateRequestOptions {
  client: KubeClient;
  /** Of all or of our own requests; tells when it is signed. */
  informer: Informer<CertificateSigningRequest>;
  /** Name prefix of the request object. */
  name: string;
  labels?: Record<string, string>;
  /** PEM of the PKCS#10 request. */
  requestPem: string;
  signerName: string;
  usages: string[];
  expirationSeconds?: number;
  /** Approves it too; needs the right. @default true */
  approve?: boolean;
  /** In milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/**
 * Has the cluster sign a certificate: creates the request, approves it, waits, and deletes the request object.
 * @returns the PEM chain
 * @throws {AranyaError} "forbidden" when it is denied, "invalid" when signing failed, "timed_out" when nobody signs
 */
export function requestCertificate(
  _options: CertificateRequestOptions,
): Promise<string> {
  throw new TypeError("Cannot request certificate: not built yet");
}

/** Asks who bears this token. @returns undefined when it is not valid */
export function reviewToken(
  _client: KubeClient,
  _options: CallOptions & { token: string; audiences?: string[] },
): Promise<KubeUser | undefined> {
  throw new TypeError("Cannot review token: not built yet");
}

/** Asks whether this user may do that. */
export function reviewAccess(
  _client: KubeClient,
  _options: CallOptions & { user: KubeUser; resource: ResourceAttributes },
): Promise<{ allowed: boolean; reason: string }> {
  throw new TypeError("Cannot review access: not built yet");
}

/** Gets a token of a service account. */
export function requestToken(
  _client: KubeClient,
  _options: CallOptions & {
    namespace: string;
    serviceAccount: string;
    spec: TokenRequest["spec"];
  },
): Promise<{ token: string; expiresMs: number }> {
  throw new TypeError("Cannot request token: not built yet");
}

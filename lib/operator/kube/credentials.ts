// SPDX-License-Identifier: Apache-2.0
/** Address and credentials of an API server. */

/** What a connection to the API server needs. Certificates and keys are PEM. */
export interface Credentials {
  /** https URL without a slash at the end. */
  server: string;
  /** CA of the server's certificate. Undefined: those of the system. */
  ca?: string;
  /** Client certificate. */
  cert?: string;
  /** Private key of the client certificate. */
  key?: string;
  /** Value of the Authorization header, when it never changes. */
  authorization?: string;
  /** File with a bearer token that is replaced from time to time. */
  tokenFile?: string;
  /** More headers of each request: those that impersonate a user. */
  headers?: Record<string, string | string[]>;
  /** Name in the server's certificate, when it isn't the host of the URL. */
  serverName?: string;
  /** Accepts any certificate of the server. */
  insecure: boolean;
  /** URL of the HTTP proxy through which the server is reached. */
  proxy?: string;
  namespace?: string;
  /** When the credentials expire, in milliseconds since 1970. */
  expiresMs?: number;
}

// SPDX-License-Identifier: Apache-2.0
/** The agent's gRPC end. */
import { AranyaError, type Logger } from "../base/mod.ts";
import type { LinkDialer } from "./link.ts";

/** Options of {@linkcode createGrpcDialer}. */
export interface GrpcDialerOptions {
  /** "host:port", IPv6 in brackets; used when `dial` names none. */
  endpoint: string;
  /** PEM of the CA (one or several certificates) that must have signed the server's. Absent: the well-known CAs. */
  ca?: string;
  /** Plain text; asked for by name only. @default false */
  insecure?: boolean;
  /** The name the certificate must hold. @default the end point's host */
  serverName?: string;
  log: Logger;
  /** Longest packet in bytes, both ways. @default 65536 */
  maxPacketBytes?: number;
  /** For name look-up, connection, TLS and the call together, in milliseconds. @default 15000 */
  connectTimeoutMs?: number;
}

/** Makes a dialer; it holds nothing between two dials. @throws {AranyaError} code "invalid" when end point or CA can't be read */
export function createGrpcDialer(options: GrpcDialerOptions): LinkDialer {
  throw new AranyaError(
    "unsupported",
    `Cannot dial ${options.endpoint}: not built yet`,
  );
}

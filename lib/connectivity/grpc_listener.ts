// SPDX-License-Identifier: Apache-2.0
/** The operator's gRPC end: one listener for every device. */
import { AranyaError, type Logger, type Meter } from "../base/mod.ts";
import type { LinkListener } from "./link.ts";

/** The server's certificate with what follows it in its chain, and its private key, both PEM. */
export interface GrpcServerTls {
  cert: string;
  key: string;
}

/** Bounds of a listener. */
export interface GrpcListenerLimits {
  /** Longest packet in bytes, both ways. @default 65536 */
  maxPacketBytes?: number;
  /** Connections at one time. @default 20000 */
  maxConnections?: number;
}

/** Options of {@linkcode listenGrpc}. */
export interface ListenGrpcOptions {
  /** Address to listen on, e.g. "0.0.0.0" or "::". */
  host: string;
  /** 0: any free port. */
  port: number;
  /** "insecure": plain text, for those who end TLS elsewhere. */
  tls: GrpcServerTls | "insecure";
  log: Logger;
  meter?: Meter;
  limits?: GrpcListenerLimits;
}

/** A listener whose certificate can be replaced. */
export interface GrpcListener extends LinkListener {
  /** Used for connections from now on; links that are up stay up. */
  setTls(tls: GrpcServerTls): void;
}

/**
 * Listens for agents.
 * @throws {AranyaError} code "unavailable" when the port is taken or the address isn't ours; "invalid" when the certificate can't be used
 */
export function listenGrpc(options: ListenGrpcOptions): Promise<GrpcListener> {
  throw new AranyaError(
    "unsupported",
    `Cannot listen on port ${options.port}: not built yet`,
  );
}

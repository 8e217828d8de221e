// SPDX-License-Identifier: Apache-2.0
/** Connections of probes and lifecycle hooks. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AranyaError, formatEndpoint, onAbort } from "../../shared/base/mod.ts";

/** Options of {@linkcode dial}. */
export interface DialOptions {
  host: string;
  port: number;
  /** @default false */
  tls?: boolean;
  /** Aborts the dial; destroys the socket also later. */
  signal: AbortSignal;
}

/**
 * Connects. Certificates are not verified: kubelets don't verify those of what they probe.
 * @throws what the socket reports, {AranyaError} code "unavailable" when it is closed without an
 * error, or the signal's reason
 */
export function dial(
  { host, port, tls = false, signal }: DialOptions,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket: Socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connectTcp({ host, port });
    const abortListener = onAbort(signal, () => socket.destroy(signal.reason));
    socket.on("close", () => {
      abortListener[Symbol.dispose]();
      const endpoint = formatEndpoint({ host, port });
      reject(
        new AranyaError(
          "unavailable",
          `Cannot connect to ${endpoint}: the connection was closed`,
        ),
      );
    });
    socket.on("error", reject);
    socket.once(tls ? "secureConnect" : "connect", () => resolve(socket));
  });
}

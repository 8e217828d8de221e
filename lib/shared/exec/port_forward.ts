// SPDX-License-Identifier: Apache-2.0
/** port-forward: one TCP connection through the cluster. */

/** Bytes of one forwarded TCP connection. Each direction closes by itself. */
export interface ConnectionIo {
  /**
   * What the client sends. Ends at its half-close; throws when it has left or dropped the
   * connection.
   */
  input: AsyncIterable<Uint8Array>;
  /** Writes to the client; resolves when there is room for more. */
  output(chunk: Uint8Array): Promise<void>;
  /** Passes the target's half-close on to the client. */
  endOutput(): Promise<void>;
  /** Aborted when the client has left or dropped the connection. */
  signal: AbortSignal;
}

/** A connection to a port. */
export interface ForwardedPort extends ConnectionIo {
  /** 1 to 65535. */
  port: number;
}

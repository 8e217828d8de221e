// SPDX-License-Identifier: Apache-2.0
/** Connections of an attacker, which sends and reads whatever it wants. */
import { concatBytes } from "../../../lib/shared/base/mod.ts";

/** How to connect. */
export interface WireOptions {
  /** Address to connect to; that of loopback makes the attacker another network. */
  host: string;
  port: number;
  /** Absent: no TLS. */
  tls?: {
    /** Name or address in the server's certificate. */
    serverName: string;
    /** PEM of the server's CA. */
    ca: string;
    alpn?: string[];
    /** Client certificate; then `host` must be `serverName`. */
    client?: { cert: string; key: string };
  };
}

/** One connection; broken ones are a normal result. */
export class Wire {
  /** Bytes read so far. */
  receivedCount = 0;
  /** Resolves when the server has closed the connection, or `close` was called. */
  readonly closed: Promise<void>;
  readonly #conn: Deno.Conn;
  readonly #closed = Promise.withResolvers<void>();
  #isOpen = true;
  #reading: Promise<void> | undefined;
  #received: Uint8Array[] = [];

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.closed = this.#closed.promise;
  }

  /** Opens a connection; undefined when it was refused. */
  static async open(
    { host, port, tls }: WireOptions,
  ): Promise<Wire | undefined> {
    try {
      if (!tls) return new Wire(await Deno.connect({ hostname: host, port }));
      const { serverName, ca, alpn, client } = tls;
      const options = { caCerts: [ca], ...alpn && { alpnProtocols: alpn } };
      if (client) {
        return new Wire(
          await Deno.connectTls({
            ...options,
            ...client,
            hostname: host,
            port,
          }),
        );
      }
      const plain = await Deno.connect({ hostname: host, port });
      const conn = await Deno.startTls(plain, {
        ...options,
        hostname: serverName,
      });
      try {
        await conn.handshake();
      } catch (error) {
        conn.close();
        throw error;
      }
      return new Wire(conn);
    } catch {
      return undefined;
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends bytes; returns false when the connection has ended. Waits while the server reads not. */
  async write(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length;) {
        at += await this.#conn.write(bytes.subarray(at));
      }
      return this.#isOpen;
    } catch {
      this.close();
      return false;
    }
  }

  /** Reads from now on, which is also how the end of the connection is seen. */
  read(): this {
    this.#reading ??= this.#read();
    return this;
  }

  /** What was received, as text; only the first 64 KiB are kept. */
  get text(): string {
    return new TextDecoder().decode(concatBytes(this.#received));
  }

  /** Closes the connection; may be called twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#conn.close();
    } catch {
      // It has ended already.
    }
    this.#closed.resolve();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        if (this.receivedCount < buffer.length) {
          this.#received.push(buffer.slice(0, count));
        }
        this.receivedCount += count;
      }
    } catch {
      // It was reset.
    }
    this.close();
  }
}

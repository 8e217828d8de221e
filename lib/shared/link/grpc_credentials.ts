// SPDX-License-Identifier: Apache-2.0
/** TLS of a dialled link. */
import type { Socket } from "node:net";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import { AranyaError, defined, type Logger } from "../base/mod.ts";
import { verifyServer } from "./server_certificate.ts";

/** Options of {@linkcode DialCredentials}. */
export interface DialCredentialsOptions {
  /** `Cannot connect to <end point>`, for the texts of errors. */
  action: string;
  /** Name or address that the server's certificate must have. */
  serverName: string;
  /** PEM of the CAs. Undefined: the well-known ones. */
  ca: string | undefined;
  /** Plain text instead of TLS. */
  insecure: boolean;
  log: Logger;
  /** Returns this device's time, in milliseconds since 1970. */
  now: () => number;
}

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type Connected = Awaited<ReturnType<Connector["connect"]>>;

/**
 * Credentials of one dial that make the TLS connection themselves. grpc-js' own refuse IP addresses
 * as server names under Deno, don't distinguish a wrong CA from a wrong clock, and give no access
 * to the socket. The overridden methods are private to the library, whose version deno.json pins.
 */
export class DialCredentials extends ChannelCredentials {
  readonly #options: DialCredentialsOptions;
  readonly #sockets = new Set<Socket>();
  #failure: AranyaError | undefined;
  #isDestroyed = false;

  constructor(options: DialCredentialsOptions) {
    super();
    this.#options = options;
  }

  /** Why TLS failed; a gRPC status would only quote a part of it. */
  get failure(): AranyaError | undefined {
    return this.#failure;
  }

  /** Destroys every socket at once, also one that is still connecting, and every later one. */
  destroy(): void {
    this.#isDestroyed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  override compose(): ChannelCredentials {
    throw new TypeError("Cannot compose link credentials: not supported");
  }

  override _isSecure(): boolean {
    return !this.#options.insecure;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(): Connector {
    const credentials = CallCredentials.createEmpty();
    return {
      connect: (socket) => this.#connect(socket),
      // The library calls it before each connection.
      waitForReady: () =>
        this.#isDestroyed ? Promise.reject(cancelled()) : Promise.resolve(),
      getCallCredentials: () => credentials,
      destroy() {},
    };
  }

  /** Returns the socket that the library uses: the given one, or TLS on it. */
  async #connect(socket: Socket): Promise<Connected> {
    this.#sockets.add(socket);
    // Once the connection is up, its errors reach the call as a status.
    socket.on("error", () => {});
    if (this.#isDestroyed) {
      socket.destroy();
      throw cancelled();
    }
    if (this.#options.insecure) return { socket, secure: false };
    try {
      return { socket: await this.#startTls(socket), secure: true };
    } catch (error) {
      this.#failure = error instanceof AranyaError
        ? error
        : this.#toTlsError(error);
      socket.destroy();
      throw this.#failure;
    }
  }

  /** Makes the TLS connection on this socket and verifies the server. */
  async #startTls(socket: Socket): Promise<TLSSocket> {
    const { serverName, ca, action } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const secured = connect({
      socket,
      ALPNProtocols: ["h2"],
      host: serverName,
      ...defined({ ca, servername: isIP(serverName) ? undefined : serverName }),
      // `verifyServer` checks the certificate: it tolerates a wrong clock.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    }, resolve);
    this.#sockets.add(secured);
    secured.on("error", reject);
    const onClose = () => reject(new Error("the connection was closed"));
    secured.on("close", onClose);
    // When the server hangs up at once, only the inner socket may report it.
    socket.on("close", onClose);
    socket.on("end", onClose);
    await promise;
    const { notYetValid } = verifyServer(secured, {
      action,
      serverName,
      ca,
      nowMs: this.#options.now(),
    });
    if (notYetValid) {
      this.#options.log.warn(
        "the operator's certificate is not valid yet: this device's clock must be wrong",
        { address: serverName },
      );
    }
    return secured;
  }

  /** Translates an error of node:tls, whose texts are those of rustls. */
  #toTlsError(error: unknown): AranyaError {
    const text = error instanceof Error ? error.message : String(error);
    const problem =
      /InvalidContentType|HandshakePayloadTooLarge|wrong version/i.test(text)
        ? "the server does not speak TLS"
        : /NoApplicationProtocol/i.test(text)
        ? "the server does not speak HTTP/2"
        : `TLS failed: ${text}`;
    return new AranyaError(
      "unavailable",
      `${this.#options.action}: ${problem}`,
      { cause: error },
    );
  }
}

function cancelled(): Error {
  return new Error("the dial was cancelled");
}

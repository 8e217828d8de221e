// SPDX-License-Identifier: Apache-2.0
/**
 * TLS of a dialled link, made by ourselves under grpc-js: its own refuses IP addresses as server names under Deno, can't tell a
 * wrong CA from a wrong clock, and keeps the socket to itself. Uses the two hooks that the library pinned in deno.json calls.
 */
import type { Socket } from "node:net";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import { AranyaError, type Logger } from "../base/mod.ts";
import { judgeServer } from "./server_certificate.ts";

/** Options of {@linkcode DialCredentials}. */
export interface DialCredentialsOptions {
  /** `Cannot connect to <end point>`, for errors' texts. */
  action: string;
  serverName: string;
  ca: string | undefined;
  insecure: boolean;
  log: Logger;
  now: () => number;
}

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type Connected = Awaited<ReturnType<Connector["connect"]>>;

/** For one dial. Remembers its sockets, to end them, and what was wrong with them, in better words than a gRPC status has. */
export class DialCredentials extends ChannelCredentials {
  readonly #options: DialCredentialsOptions;
  readonly #sockets = new Set<Socket>();
  #failure: AranyaError | undefined;
  #destroyed = false;

  constructor(options: DialCredentialsOptions) {
    super();
    this.#options = options;
  }

  /** Why TLS failed, when it did. */
  get failure(): AranyaError | undefined {
    return this.#failure;
  }

  /** Ends the connection at once, also one that is only being made. */
  destroy(): void {
    this.#destroyed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  override compose(): ChannelCredentials {
    throw new TypeError(
      "Cannot compose link credentials: they stand for themselves",
    );
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
      // Asked before each connection: after the end no other one begins.
      waitForReady: () =>
        this.#destroyed
          ? Promise.reject(new Error("the dial was given up"))
          : Promise.resolve(),
      getCallCredentials: () => credentials,
      destroy() {},
    };
  }

  async #connect(socket: Socket): Promise<Connected> {
    this.#sockets.add(socket);
    // An error after the connection is up reaches the call as its status.
    socket.on("error", () => {});
    if (this.#destroyed) {
      socket.destroy();
      throw new Error("the dial was given up");
    }
    if (this.#options.insecure) return { socket, secure: false };
    try {
      return { socket: await this.#secure(socket), secure: true };
    } catch (error) {
      this.#failure = error instanceof AranyaError
        ? error
        : this.#translate(error);
      socket.destroy();
      throw this.#failure;
    }
  }

  async #secure(socket: Socket): Promise<TLSSocket> {
    const { serverName, ca, action } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const secured = connect({
      socket,
      ALPNProtocols: ["h2"],
      host: serverName,
      ...(isIP(serverName) ? {} : { servername: serverName }),
      ...(ca === undefined ? {} : { ca }),
      // Checked by `judgeServer`, which knows about clocks.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    }, resolve);
    this.#sockets.add(secured);
    secured.on("error", reject);
    const onClose = () => reject(new Error("the connection was closed"));
    secured.on("close", onClose);
    // A server that hangs up at once may be heard on this one only.
    socket.on("close", onClose);
    socket.on("end", onClose);
    await promise;
    const { notYetValid } = judgeServer(secured, {
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

  #translate(error: unknown): AranyaError {
    const text = error instanceof Error ? error.message : String(error);
    const why = /InvalidContentType|HandshakePayloadTooLarge|wrong version/i
        .test(text)
      ? "the other end does not speak TLS"
      : /NoApplicationProtocol/i.test(text)
      ? "the other end does not speak HTTP/2"
      : `TLS failed: ${text}`;
    return new AranyaError("unavailable", `${this.#options.action}: ${why}`, {
      cause: error,
    });
  }
}

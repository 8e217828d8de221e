// SPDX-License-Identifier: Apache-2.0
/** The agent's end of the gRPC transport. */
import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import {
  type Endpoint,
  formatEndpoint,
  type Logger,
  parseEndpoint,
  SYSTEM_CLOCK,
  withDeadline,
} from "../base/mod.ts";
import { DialCredentials } from "./grpc_credentials.ts";
import { GrpcLink } from "./grpc_link.ts";
import {
  CONNECT_PATH,
  DEFAULT_MAX_PACKET_BYTES,
  FLOW_WINDOW_BYTES,
  fromBuffer,
  silenceGrpc,
  toBuffer,
  toSharedOptions,
} from "./grpc_service.ts";
import { toDialError } from "./grpc_status.ts";
import type { Link, LinkDialer } from "./link.ts";
import { toCertificates } from "./server_certificate.ts";

/** Options of {@linkcode createGrpcDialer}. */
export interface GrpcDialerOptions {
  /** "host:port", an IPv6 address in brackets; `dial` may name another one. */
  endpoint: string;
  /**
   * PEM of one or several CAs, one of which must have signed the server's certificate.
   * @default the well-known CAs
   */
  ca?: string;
  /** Plain text instead of TLS. @default false */
  insecure?: boolean;
  /**
   * The name that the certificate must have; also sent to the server.
   * @default the end point's host
   */
  serverName?: string;
  log: Logger;
  /** Upper bound of a packet in bytes, both ways. @default 66560 */
  maxPacketBytes?: number;
  /**
   * Upper bound of name resolution, connection, TLS and the call together, in milliseconds.
   * @default 15000
   */
  connectTimeoutMs?: number;
  /** Returns this device's time, in milliseconds since 1970. @default Date.now */
  now?: () => number;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 15_000;
/** Back-off of the library after a failure. Nothing can stop its timer: `close` waits for it. */
const LIBRARY_BACKOFF_MS = 1;
/** Longer than the library's back-off. */
const SETTLE_MS = 10;
/** Upper bound of the library's wait for a connection attempt, 250 ms, and some more. */
const LIBRARY_CONNECTING_MS = 300;
/** Argument of `getConnectivityState`: only read the state. */
const TRY_TO_CONNECT = false;

/**
 * Creates a dialer, which holds nothing between two dials. A certificate that is not valid yet is
 * accepted with a warning when everything else about it is right: see `verifyServer`.
 * @throws {AranyaError} code "invalid" when end point or CA can't be read
 */
export function createGrpcDialer(options: GrpcDialerOptions): LinkDialer {
  parseEndpoint(options.endpoint);
  if (options.ca !== undefined) toCertificates(options.ca);
  silenceGrpc();
  return {
    dial({ signal, endpoint = options.endpoint }) {
      const target = parseEndpoint(endpoint);
      const action = `Cannot connect to ${formatEndpoint(target)}`;
      const attempt = new DialAttempt(target, { ...options, action });
      return withDeadline(() => attempt.open(), {
        timeoutMs: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
        action,
        signal,
      }).catch(async (error) => {
        await attempt.close();
        throw error;
      });
    },
  };
}

type DialAttemptOptions = GrpcDialerOptions & {
  /** `Cannot connect to <end point>`. */
  action: string;
};

/** One client with one connection and one call. */
class DialAttempt {
  readonly #action: string;
  readonly #peer: string;
  readonly #maxPacketBytes: number;
  readonly #credentials: DialCredentials;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Uint8Array, Uint8Array>;
  #link: GrpcLink | undefined;

  constructor(target: Endpoint, options: DialAttemptOptions) {
    this.#action = options.action;
    this.#peer = formatEndpoint(target);
    this.#maxPacketBytes = options.maxPacketBytes ?? DEFAULT_MAX_PACKET_BYTES;
    this.#credentials = new DialCredentials({
      action: options.action,
      serverName: options.serverName ?? target.host,
      ca: options.ca,
      insecure: options.insecure ?? false,
      log: options.log,
      now: options.now ?? Date.now,
    });
    const scheme = target.kind === "name" ? "dns" : target.kind;
    this.#client = new Client(`${scheme}:${this.#peer}`, this.#credentials, {
      ...toSharedOptions(this.#maxPacketBytes),
      ...(options.serverName
        ? { "grpc.default_authority": options.serverName }
        : {}),
      // Dials are independent: the library neither caches connections nor retries.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": LIBRARY_BACKOFF_MS,
      "grpc.max_reconnect_backoff_ms": LIBRARY_BACKOFF_MS,
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      "grpc-node.flow_control_window": FLOW_WINDOW_BYTES,
    });
    this.#call = this.#client.makeBidiStreamRequest(
      CONNECT_PATH,
      toBuffer,
      fromBuffer,
      new Metadata(),
    );
  }

  /** Resolves when the server has accepted the call. */
  open(): Promise<Link> {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    // Every error is followed by a status with the same content.
    this.#call.on("error", () => {});
    this.#call.on("metadata", () => {
      this.#link = new GrpcLink({
        call: this.#call,
        peer: this.#peer,
        maxPacketBytes: this.#maxPacketBytes,
        destroy: () => this.#destroy(),
      });
      resolve(this.#link);
    });
    this.#call.on("status", (status: StatusObject) => {
      reject(this.#credentials.failure ?? toDialError(status, this.#action));
      this.#onStatus(status);
    });
    return promise;
  }

  /** Ends a failed attempt and waits until the library has released its socket and timers. */
  async close(): Promise<void> {
    // The socket goes first, so that the library stops waiting for it.
    this.#credentials.destroy();
    const wasReady = this.#connectivity() === connectivityState.READY;
    if (!wasReady) await this.#waitUntilFailed();
    this.#destroy();
    // The library's last timer may start another one.
    await SYSTEM_CLOCK.sleep(SETTLE_MS);
    await SYSTEM_CLOCK.sleep(SETTLE_MS);
  }

  /** Ends call and connection at once. */
  #destroy(): void {
    this.#call.cancel();
    this.#client.close();
    this.#credentials.destroy();
  }

  /** Waits for the end of a TCP connection attempt, which can't be cancelled. */
  async #waitUntilFailed(): Promise<void> {
    const endMs = SYSTEM_CLOCK.monotonicMs() + LIBRARY_CONNECTING_MS;
    const pending = [connectivityState.IDLE, connectivityState.CONNECTING];
    while (
      pending.includes(this.#connectivity()) &&
      SYSTEM_CLOCK.monotonicMs() < endMs
    ) await SYSTEM_CLOCK.sleep(SETTLE_MS);
  }

  #connectivity(): connectivityState {
    return this.#client.getChannel().getConnectivityState(TRY_TO_CONNECT);
  }

  /** The call has ended, which also ends the link. */
  #onStatus(status: StatusObject): void {
    this.#client.close();
    this.#credentials.destroy();
    if (status.code === 0) {
      this.#link?.onCallEnded({ reason: "the operator closed the link" });
      return;
    }
    const error = toDialError(status, `Cannot keep link with ${this.#peer}`);
    this.#link?.onCallEnded({ reason: error.message, error });
  }
}

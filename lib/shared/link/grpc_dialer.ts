// SPDX-License-Identifier: Apache-2.0
/** The agent's gRPC end. */
import {
  Client,
  connectivityState,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import { type Logger, SYSTEM_CLOCK, withDeadline } from "../base/mod.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../base/mod.ts";
import { DialCredentials } from "./grpc_credentials.ts";
import { GrpcLink } from "./grpc_link.ts";
import {
  CONNECT_PATH,
  DEFAULT_MAX_PACKET_BYTES,
  FLOW_WINDOW_BYTES,
  fromBuffer,
  sharedOptions,
  silenceGrpc,
  toBuffer,
} from "./grpc_service.ts";
import { toDialError } from "./grpc_status.ts";
import type { Link, LinkDialer } from "./link.ts";
import { toCertificates } from "./server_certificate.ts";

/** Options of {@linkcode createGrpcDialer}. */
export interface GrpcDialerOptions {
  /** "host:port", IPv6 in brackets; used when `dial` names none. */
  endpoint: string;
  /** PEM of the CA (one or several certificates) that must have signed the server's. Absent: the well-known CAs. */
  ca?: string;
  /** Plain text; asked for by name only. @default false */
  insecure?: boolean;
  /** The name the certificate must hold, also told to the server. @default the end point's host */
  serverName?: string;
  log: Logger;
  /** Longest packet in bytes, both ways. @default 66560 */
  maxPacketBytes?: number;
  /** For name look-up, connection, TLS and the call together, in milliseconds. @default 15000 */
  connectTimeoutMs?: number;
  /** This device's time, milliseconds since 1970. @default Date.now */
  now?: () => number;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 15_000;
/** The library starts a timer of its own after each failure, which nothing stops: it is made short, and waited for. */
const LIBRARY_BACKOFF_MS = 1;
const SETTLE_MS = 10;
/** For the library's look at a connection: it is not to begin one. */
const KEEP_IDLE = false;
/** One more starts with each connection and ends when that fails, or by itself after 250 ms. */
const LIBRARY_CONNECTING_MS = 300;

/**
 * Makes a dialer; it holds nothing between two dials. A certificate that is not valid yet is taken with a warning when all else
 * about it is right: this device's clock must be wrong then.
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
      const attempt = new Attempt(target, { ...options, action });
      return withDeadline(() => attempt.link(), {
        timeoutMs: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
        action,
        signal,
      }).catch(async (error) => {
        await attempt.giveUp();
        throw error;
      });
    },
  };
}

/** One client, one connection, one call. */
class Attempt {
  readonly #options: GrpcDialerOptions & { action: string };
  readonly #target: Endpoint;
  readonly #credentials: DialCredentials;
  readonly #client: Client;
  readonly #call;
  #link: GrpcLink | undefined;

  constructor(
    target: Endpoint,
    options: GrpcDialerOptions & { action: string },
  ) {
    const maxPacketBytes = options.maxPacketBytes ?? DEFAULT_MAX_PACKET_BYTES;
    this.#options = options;
    this.#target = target;
    this.#credentials = new DialCredentials({
      action: options.action,
      serverName: options.serverName ?? target.host,
      ca: options.ca,
      insecure: options.insecure ?? false,
      log: options.log,
      now: options.now ?? Date.now,
    });
    const scheme = target.kind === "name" ? "dns" : target.kind;
    this.#client = new Client(
      `${scheme}:${formatEndpoint(target)}`,
      this.#credentials,
      {
        ...sharedOptions(maxPacketBytes),
        ...(options.serverName
          ? { "grpc.default_authority": options.serverName }
          : {}),
        // Each dial stands alone: nothing cached, nothing retried behind our back.
        "grpc.use_local_subchannel_pool": 1,
        "grpc.initial_reconnect_backoff_ms": LIBRARY_BACKOFF_MS,
        "grpc.max_reconnect_backoff_ms": LIBRARY_BACKOFF_MS,
        "grpc.enable_retries": 0,
        "grpc.service_config_disable_resolution": 1,
        "grpc.enable_http_proxy": 0,
        "grpc-node.flow_control_window": FLOW_WINDOW_BYTES,
      },
    );
    this.#call = this.#client.makeBidiStreamRequest(
      CONNECT_PATH,
      toBuffer,
      fromBuffer,
      new Metadata(),
    );
  }

  /** Resolves when the server has taken the call. */
  link(): Promise<Link> {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    // What an error says comes again as the status.
    this.#call.on("error", () => {});
    this.#call.on("metadata", () => {
      this.#link = new GrpcLink({
        call: this.#call,
        peer: formatEndpoint(this.#target),
        maxPacketBytes: this.#options.maxPacketBytes ??
          DEFAULT_MAX_PACKET_BYTES,
        destroy: () => this.abandon(),
      });
      resolve(this.#link);
    });
    this.#call.on("status", (status: StatusObject) => {
      reject(
        this.#credentials.failure ?? toDialError(status, this.#options.action),
      );
      this.#finish(status);
    });
    return promise;
  }

  /** Ends everything at once. */
  abandon(): void {
    this.#call.cancel();
    this.#client.close();
    this.#credentials.destroy();
  }

  /** Ends an attempt that failed; the socket goes first, so that the library stops waiting for it. */
  async giveUp(): Promise<void> {
    this.#credentials.destroy();
    const wasReady = this.#connectivity() === connectivityState.READY;
    if (!wasReady) await this.#untilFailed();
    this.abandon();
    // Its last timer may start one more.
    await SYSTEM_CLOCK.sleep(SETTLE_MS);
    await SYSTEM_CLOCK.sleep(SETTLE_MS);
  }

  /** A TCP connection that is only being made can't be ended: it is waited for, unless nobody answers it. */
  async #untilFailed(): Promise<void> {
    const endMs = SYSTEM_CLOCK.monotonicMs() + LIBRARY_CONNECTING_MS;
    const pending = [connectivityState.IDLE, connectivityState.CONNECTING];
    while (
      pending.includes(this.#connectivity()) &&
      SYSTEM_CLOCK.monotonicMs() < endMs
    ) await SYSTEM_CLOCK.sleep(SETTLE_MS);
  }

  #connectivity(): connectivityState {
    return this.#client.getChannel().getConnectivityState(KEEP_IDLE);
  }

  #finish(status: StatusObject): void {
    this.#client.close();
    this.#credentials.destroy();
    if (status.code === 0) {
      this.#link?.done({ reason: "the operator has closed the link" });
      return;
    }
    const error = toDialError(
      status,
      `Cannot hold link with ${formatEndpoint(this.#target)}`,
    );
    this.#link?.done({ reason: error.message, error });
  }
}

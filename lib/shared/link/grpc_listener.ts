// SPDX-License-Identifier: Apache-2.0
/**
 * The operator's gRPC end: one listener for every device. The sockets are ours and are handed to grpc-js one by one: its own secure
 * server does not work under Deno, and so connections can be counted, timed and given a new certificate.
 */
import {
  Metadata,
  type Server,
  ServerCredentials,
  type ServerDuplexStream,
  status as Code,
} from "@grpc/grpc-js";
import {
  createServer as createPlainServer,
  type Server as NetServer,
} from "node:net";
import {
  createServer as createTlsServer,
  type Server as TlsServer,
} from "node:tls";
import {
  formatEndpoint,
  type Logger,
  type Meter,
  NO_METER,
  toListenError,
} from "../base/mod.ts";
import { type Connections, createConnections } from "./sockets.ts";
import { GrpcLink } from "./grpc_link.ts";
import { createGuardedServer } from "./guarded_server.ts";
import {
  DEFAULT_MAX_PACKET_BYTES,
  FLOW_WINDOW_BYTES,
  LINK_SERVICE,
  sharedOptions,
  silenceGrpc,
} from "./grpc_service.ts";
import { checkServerTls, type GrpcServerTls } from "./server_tls.ts";
import { createLinkQueue, type LinkQueue } from "./link_queue.ts";
import type { Link, LinkListener } from "./link.ts";

/** Bounds of a listener. */
export interface GrpcListenerLimits {
  /** Longest packet in bytes, both ways. @default 66560 */
  maxPacketBytes?: number;
  /** Connections at one time. @default 20000 */
  maxConnections?: number;
  /** Connections at one time that have opened no link yet. @default 1024 */
  maxPendingConnections?: number;
  /** Time from a connection's first byte to its first link, in milliseconds. @default 15000 */
  pendingTimeoutMs?: number;
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
  /**
   * Used for connections from now on; links that are up stay up.
   * @throws {AranyaError} code "invalid" when the pair can't be used: the former one stays
   */
  setTls(tls: GrpcServerTls): void;
}

/** Links that nobody has taken from `links` yet. */
const MAX_WAITING_LINKS = 1024;
/** Links on one connection: an Ingress may carry those of many devices over one. */
const MAX_LINKS_PER_CONNECTION = 4096;
/** A connection whose last link is gone is closed after this, in milliseconds. */
const IDLE_CONNECTION_MS = 60_000;

/**
 * Listens for agents.
 * @throws {AranyaError} code "conflict" when the port is taken, "forbidden" when it may not be used, "unavailable" when the address
 * isn't ours, "invalid" when the certificate can't be used
 */
export async function listenGrpc(
  options: ListenGrpcOptions,
): Promise<GrpcListener> {
  silenceGrpc();
  const listener = new Listener(options);
  await listener.start();
  return listener;
}

class Listener implements GrpcListener {
  readonly #options: ListenGrpcOptions;
  readonly #meter: Meter;
  readonly #maxPacketBytes: number;
  readonly #grpc: Server;
  readonly #connections: Connections;
  readonly #queue: LinkQueue = createLinkQueue(MAX_WAITING_LINKS);
  readonly #open = new Set<GrpcLink>();
  readonly #server: NetServer | TlsServer;
  #address: LinkListener["address"];

  constructor(options: ListenGrpcOptions) {
    const { limits = {} } = options;
    this.#options = options;
    this.#meter = options.meter ?? NO_METER;
    this.#maxPacketBytes = limits.maxPacketBytes ?? DEFAULT_MAX_PACKET_BYTES;
    this.#address = { host: options.host, port: options.port };
    this.#connections = createConnections({
      maxCount: limits.maxConnections ?? 20_000,
      maxPendingCount: limits.maxPendingConnections ?? 1024,
      pendingTimeoutMs: limits.pendingTimeoutMs ?? 15_000,
      onRefused: () =>
        this.#meter.count("aranya_grpc_connections_refused_total"),
    });
    this.#grpc = createGuardedServer({
      ...sharedOptions(this.#maxPacketBytes),
      "grpc.max_concurrent_streams": MAX_LINKS_PER_CONNECTION,
      "grpc.max_connection_idle_ms": IDLE_CONNECTION_MS,
    }, {
      windowBytes: FLOW_WINDOW_BYTES,
      onError: (error) =>
        options.log.debug("request of a stranger can't be answered", { error }),
    });
    this.#grpc.addService(LINK_SERVICE, {
      connect: (call: ServerDuplexStream<Uint8Array, Uint8Array>) =>
        this.#accept(call),
    });
    this.#server = this.#createServer();
  }

  get address(): LinkListener["address"] {
    return this.#address;
  }

  get links(): AsyncIterable<Link> {
    return this.#queue.links;
  }

  async start(): Promise<void> {
    const { host, port, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (error) {
      this.#grpc.forceShutdown();
      throw toListenError(
        error,
        `Cannot listen on ${formatEndpoint({ host, port })}`,
      );
    }
    this.#server.off("error", reject);
    this.#server.on(
      "error",
      (error) => log.warn("listener of links reports an error", { error }),
    );
    const address = this.#server.address();
    if (address !== null && typeof address === "object") {
      this.#address = { host, port: address.port };
    }
  }

  setTls(tls: GrpcServerTls): void {
    if (!("setSecureContext" in this.#server)) {
      throw new TypeError("Cannot set certificate: the listener is insecure");
    }
    checkServerTls(tls);
    this.#server.setSecureContext(tls);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#queue.end();
    const stopped = new Promise<void>((resolve) =>
      this.#server.close(() => resolve())
    );
    const ends = [...this.#open].map((link) => {
      link.close("the operator stops listening");
      return link.closed;
    });
    await Promise.all(ends);
    this.#grpc.forceShutdown();
    this.#connections.destroyAll();
    await stopped;
  }

  #createServer(): NetServer | TlsServer {
    const { tls, log } = this.#options;
    const injector = this.#grpc.createConnectionInjector(
      ServerCredentials.createInsecure(),
    );
    if (tls === "insecure") {
      return createPlainServer((socket) => {
        if (!this.#connections.add(socket)) return;
        injector.injectConnection(socket);
      });
    }
    checkServerTls(tls);
    const server = createTlsServer({
      ...tls,
      ALPNProtocols: ["h2"],
      handshakeTimeout: this.#options.limits?.pendingTimeoutMs ?? 15_000,
    });
    server.on("connection", (socket) => this.#connections.add(socket));
    server.on("secureConnection", (socket) => {
      socket.on(
        "error",
        (error) => log.debug("connection of an agent broke", { error }),
      );
      injector.injectConnection(socket);
    });
    server.on("tlsClientError", (error) => {
      this.#meter.count("aranya_grpc_tls_failed_total");
      log.debug("connection is no TLS that we speak", { error });
    });
    return server;
  }

  #accept(call: ServerDuplexStream<Uint8Array, Uint8Array>): void {
    const peer = call.getPeer();
    // An IPv4 peer of a listener on "::".
    const shown = peer.replace(/^::ffff:/, "");
    const leave = this.#connections.enter(peer);
    const link = new GrpcLink({
      call,
      peer: shown,
      maxPacketBytes: this.#maxPacketBytes,
      destroy: () => this.#connections.destroyIfAlone(peer),
    });
    this.#open.add(link);
    void link.closed.then(() => this.#open.delete(link));
    // Comes at every end of the call, also the regular one.
    call.on("cancelled", () => {
      link.done({ reason: "the agent has gone" });
      leave();
    });
    call.on("end", () => link.peerClosed("the agent has closed the link"));
    call.on(
      "error",
      (error) =>
        this.#options.log.debug("link of an agent broke", {
          link: peer,
          error,
        }),
    );
    if (!this.#queue.push(link)) {
      this.#meter.count("aranya_grpc_connections_refused_total");
      call.emit("error", {
        code: Code.RESOURCE_EXHAUSTED,
        details: "the operator is overloaded",
      });
      return;
    }
    // Tells the agent that its call was taken.
    call.sendMetadata(new Metadata());
  }
}

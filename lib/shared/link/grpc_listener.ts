// SPDX-License-Identifier: Apache-2.0
/** The operator's end of the gRPC transport. */
import {
  Metadata,
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
import { GrpcLink } from "./grpc_link.ts";
import { GuardedServer, type ServerStream } from "./guarded_server.ts";
import {
  DEFAULT_MAX_PACKET_BYTES,
  FLOW_WINDOW_BYTES,
  LINK_SERVICE,
  silenceGrpc,
  toSharedOptions,
} from "./grpc_service.ts";
import { checkServerTls, type GrpcServerTls } from "./server_tls.ts";
import { type SocketCall, SocketRegistry } from "./socket_registry.ts";
import { LinkQueue } from "./link_queue.ts";
import type { Link, LinkListener } from "./link.ts";

/** Limits of a listener. */
export interface GrpcListenerLimits {
  /** Upper bound of a packet in bytes, both ways. @default 66560 */
  maxPacketBytes?: number;
  /** Upper bound of open connections. @default 20000 */
  maxConnections?: number;
  /** Upper bound of connections on which no agent is authenticated yet. @default 256 */
  maxPendingConnections?: number;
  /**
   * Time for the first agent on a new connection to authenticate, in milliseconds.
   * @default 30000
   */
  pendingTimeoutMs?: number;
  /**
   * Time for the next agent on a connection whose last authenticated link has ended, in
   * milliseconds. @default 5000
   */
  idleTimeoutMs?: number;
  /**
   * A call that has sent nothing for this time may be evicted for a new one of its connection, in
   * milliseconds. @default 2000
   */
  silentCallMs?: number;
}

/** Options of {@linkcode listenGrpc}. */
export interface ListenGrpcOptions {
  /** Address to listen on, e.g. "0.0.0.0" or "::". */
  host: string;
  /** 0: any free port. */
  port: number;
  /** "insecure": plain text, e.g. behind an Ingress that terminates TLS. */
  tls: GrpcServerTls | "insecure";
  log: Logger;
  meter?: Meter;
  limits?: GrpcListenerLimits;
}

/** A listener whose certificate can be replaced. */
export interface GrpcListener extends LinkListener {
  /**
   * Replaces the certificate for new connections; open ones stay.
   * @throws {AranyaError} code "invalid" when the pair can't be used: the previous one stays
   * @throws {TypeError} when the listener is insecure
   */
  setTls(tls: GrpcServerTls): void;
}

const DEFAULT_MAX_CONNECTIONS = 20_000;
const DEFAULT_MAX_PENDING_CONNECTIONS = 256;
const DEFAULT_PENDING_TIMEOUT_MS = 30_000;
/**
 * Handshakes end with the time-out of their pending socket. A timer of node:tls would hold each
 * socket that ended before, with all its buffers: Deno doesn't clear it.
 */
const NO_HANDSHAKE_TIMEOUT = -1;
/** An agent whose link was lost connects again within 3 s at most during the first minute. */
const DEFAULT_IDLE_TIMEOUT_MS = 5000;
const DEFAULT_SILENT_CALL_MS = 2000;
/** Why a call was evicted. */
const TOO_SLOW = "no handshake was begun while others were waiting";
/** Upper bound of accepted links that were not read from `links` yet. */
const MAX_QUEUED_LINKS = 1024;
/** Upper bound of links on one connection; an Ingress may carry those of many devices over one. */
const MAX_LINKS_PER_CONNECTION = 4096;
/** Time for a client to end its side of a call that has ended here, in milliseconds. */
const HALF_OPEN_MS = 1000;
/** A connection without links is closed after this time. */
const IDLE_CONNECTION_MS = 60_000;

/**
 * Starts a listener for the links of all agents.
 * @throws {AranyaError} code "conflict" when the port is taken; "forbidden" without the right to
 * use it; "unavailable" when the address doesn't belong to this machine; "invalid" when the
 * certificate can't be used
 */
export async function listenGrpc(
  options: ListenGrpcOptions,
): Promise<GrpcListener> {
  silenceGrpc();
  const listener = new Listener(options);
  await listener.start();
  return listener;
}

/**
 * Accepts the sockets itself and hands them to grpc-js one by one: the library's own TLS server
 * doesn't work under Deno, and this way sockets can be counted, timed out and given a new
 * certificate.
 */
class Listener implements GrpcListener {
  readonly #options: ListenGrpcOptions;
  readonly #meter: Meter;
  readonly #maxPacketBytes: number;
  readonly #guarded: GuardedServer;
  readonly #sockets: SocketRegistry;
  readonly #queue = new LinkQueue(MAX_QUEUED_LINKS);
  readonly #openLinks = new Set<GrpcLink>();
  readonly #calls = new WeakMap<ServerStream, SocketCall>();
  readonly #links = new WeakMap<ServerStream, GrpcLink>();
  readonly #server: NetServer | TlsServer;
  #address: LinkListener["address"];

  constructor(options: ListenGrpcOptions) {
    const { limits = {} } = options;
    this.#options = options;
    this.#meter = options.meter ?? NO_METER;
    this.#maxPacketBytes = limits.maxPacketBytes ?? DEFAULT_MAX_PACKET_BYTES;
    this.#address = { host: options.host, port: options.port };
    this.#sockets = new SocketRegistry({
      maxCount: limits.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
      maxPendingCount: limits.maxPendingConnections ??
        DEFAULT_MAX_PENDING_CONNECTIONS,
      pendingTimeoutMs: limits.pendingTimeoutMs ?? DEFAULT_PENDING_TIMEOUT_MS,
      idleTimeoutMs: limits.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      silentCallMs: limits.silentCallMs ?? DEFAULT_SILENT_CALL_MS,
      onRefused: () =>
        this.#meter.count("aranya_grpc_connections_refused_total"),
    });
    this.#guarded = new GuardedServer({
      ...toSharedOptions(this.#maxPacketBytes),
      "grpc.max_concurrent_streams": MAX_LINKS_PER_CONNECTION,
      "grpc.max_connection_idle_ms": IDLE_CONNECTION_MS,
    }, {
      windowBytes: FLOW_WINDOW_BYTES,
      admit: (stream) => this.#admit(stream),
      onError: (error) =>
        options.log.debug("malformed gRPC request was dropped", { error }),
    });
    this.#guarded.grpc.addService(LINK_SERVICE, {
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

  /** Starts to listen. @throws {AranyaError} as {@linkcode listenGrpc} */
  async start(): Promise<void> {
    const { host, port, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (error) {
      this.#guarded.grpc.forceShutdown();
      throw toListenError(
        error,
        `Cannot listen on ${formatEndpoint({ host, port })}`,
      );
    }
    this.#server.off("error", reject);
    this.#server.on(
      "error",
      (error) => log.warn("gRPC listener failed", { error }),
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
    const ends = [...this.#openLinks].map((link) => {
      link.close("the operator stopped listening");
      return link.closed;
    });
    await Promise.all(ends);
    this.#guarded.grpc.forceShutdown();
    this.#sockets.destroyAll();
    await stopped;
  }

  /** Creates the server that accepts sockets and passes them to grpc-js. */
  #createServer(): NetServer | TlsServer {
    const { tls, log } = this.#options;
    const injector = this.#guarded.grpc.createConnectionInjector(
      ServerCredentials.createInsecure(),
    );
    if (tls === "insecure") {
      return createPlainServer((socket) => {
        if (!this.#sockets.add(socket)) return;
        injector.injectConnection(socket);
      });
    }
    checkServerTls(tls);
    const server = createTlsServer({
      ...tls,
      ALPNProtocols: ["h2"],
      handshakeTimeout: NO_HANDSHAKE_TIMEOUT,
    });
    server.on("connection", (socket) => this.#sockets.add(socket));
    server.on("secureConnection", (socket) => {
      socket.on(
        "error",
        (error) => log.debug("agent connection failed", { error }),
      );
      injector.injectConnection(socket);
    });
    server.on("tlsClientError", (error) => {
      this.#meter.count("aranya_grpc_tls_failed_total");
      log.debug("TLS handshake failed", { error });
    });
    return server;
  }

  /** Counts a new stream on its connection; false: it is refused. */
  #admit(stream: ServerStream): boolean {
    const call = this.#sockets.addCall(stream.peer, {
      onEvicted: () => {
        this.#links.get(stream)?.onCallEnded({ reason: TOO_SLOW });
        stream.reset();
      },
    });
    if (!call) return false;
    this.#calls.set(stream, call);
    stream.onClosed(() => call[Symbol.dispose]());
    return true;
  }

  /** Makes a link of a new call and queues it. */
  #accept(call: ServerDuplexStream<Uint8Array, Uint8Array>): void {
    const peer = call.getPeer();
    const stream = this.#guarded.findStream(call.metadata);
    // The client has reset it already.
    if (!stream) return;
    const destroy = () => {
      if (!this.#sockets.destroyUnlessShared(peer)) stream.reset();
    };
    const link = new GrpcLink({
      call,
      // The prefix of an IPv4 peer when the listener is on "::".
      peer: peer.replace(/^::ffff:/, ""),
      maxPacketBytes: this.#maxPacketBytes,
      destroy,
      onAuthenticated: () => this.#calls.get(stream)?.markAuthenticated(),
    });
    call.once("data", () => this.#calls.get(stream)?.markActive());
    this.#links.set(stream, link);
    this.#openLinks.add(link);
    void link.closed.then(() => this.#openLinks.delete(link));
    // The library emits it at every end of the call, also the regular one. The HTTP/2 stream then
    // stays half open until the client ends its side, too.
    call.on("cancelled", () => {
      link.onCallEnded({ reason: "the agent disconnected" });
      this.#calls.get(stream)?.markEnding();
      const timer = setTimeout(destroy, HALF_OPEN_MS);
      stream.onClosed(() => clearTimeout(timer));
    });
    call.on("end", () => link.onPeerClosed("the agent closed the link"));
    call.on(
      "error",
      (error) =>
        this.#options.log.debug("agent link failed", {
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
    // The headers show the agent that its call was accepted.
    call.sendMetadata(new Metadata());
  }
}

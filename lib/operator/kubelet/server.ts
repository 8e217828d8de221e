// SPDX-License-Identifier: Apache-2.0
/** The HTTPS server of one node. */
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import {
  AranyaError,
  formatEndpoint,
  type Logger,
  LogLimit,
  type Meter,
  NO_METER,
  toListenError,
} from "../../shared/base/mod.ts";
import {
  HTTP_SERVER_LIMITS,
  HttpGuard,
  PendingSockets,
} from "../../shared/guard/mod.ts";
import type { KubeletAuth } from "./auth.ts";
import type { KubeletHandlers } from "./handlers.ts";
import { handleRequest, type ServerContext } from "./request.ts";
import { type ServingTls, toTlsContext } from "./serving_tls.ts";
import { handleUpgrade } from "./upgrade.ts";

/** Options of {@linkcode createKubeletServer}. */
export interface KubeletServerOptions {
  /** The node's name, for authorization. */
  nodeName: string;
  /** Answers the requests. */
  handlers: KubeletHandlers;
  /** The first certificate. */
  tls: ServingTls;
  /** PEM bundle of the CAs that sign client certificates. */
  clientCa: string;
  /** Authentication and authorization; one for all servers of the process. */
  auth: KubeletAuth;
  log: Logger;
  /** Counts requests, upgrades and refused connections. @default none */
  meter?: Meter;
  /**
   * Connections on which no request was allowed yet; one for all servers of the process. See
   * {@linkcode createPendingClients}. @default one of its own
   */
  pendingClients?: PendingSockets;
  /** Address to listen on. @default all */
  host?: string;
  /** 0: any free port. */
  port: number;
}

/** One node's server. */
export interface KubeletServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /**
   * Uses this certificate for new connections.
   * @throws {AranyaError} "invalid" when certificate and key don't match
   */
  setTls(tls: ServingTls): void;
  /**
   * Stops listening and ends all calls with this reason; resolves within 4 s. May be called twice.
   */
  close(reason?: string): Promise<void>;
}

/**
 * Handshakes end with the time-out of their pending socket. A timer of node:tls would hold each
 * socket that ended before, with all its buffers: Deno doesn't clear it.
 */
const NO_HANDSHAKE_TIMEOUT = -1;
const KEEP_ALIVE_TIMEOUT_MS = 90_000;
const CLOSE_TIMEOUT_MS = 4_000;
/** Upper bound of connections on which no request was allowed yet, of all servers together. */
const MAX_PENDING_CLIENTS = 256;
const PENDING_TIMEOUT_MS = 30_000;

/** Creates the bound on unauthenticated clients that all servers of a process share. */
export function createPendingClients(meter: Meter = NO_METER): PendingSockets {
  return new PendingSockets({
    maxCount: MAX_PENDING_CLIENTS,
    timeoutMs: PENDING_TIMEOUT_MS,
    onRefused: () => meter.count("aranya_kubelet_connections_refused_total"),
  });
}

/**
 * Starts a server. A process may have thousands of them.
 * @throws {AranyaError} "conflict" when the port is taken, "unavailable" when the address doesn't
 * belong to this machine, "invalid" for an unusable certificate
 */
export async function createKubeletServer(
  options: KubeletServerOptions,
): Promise<KubeletServer> {
  const server = new NodeServer(options);
  await server.listen(options);
  return server;
}

class NodeServer implements KubeletServer {
  readonly #nodeName: string;
  readonly #stop = new AbortController();
  readonly #context: ServerContext;
  readonly #meter: Meter;
  readonly #guard: HttpGuard;
  readonly #server: Server;
  readonly #running = new Set<Promise<void>>();
  #clientCa: string;
  #closing: Promise<void> | undefined;

  constructor(options: KubeletServerOptions) {
    const { nodeName, handlers, auth, log, clientCa } = options;
    this.#nodeName = nodeName;
    this.#clientCa = clientCa;
    this.#meter = options.meter ?? NO_METER;
    this.#server = createServer({
      ...toTlsContext({ ...options.tls, clientCa }, nodeName),
      handshakeTimeout: NO_HANDSHAKE_TIMEOUT,
      ...HTTP_SERVER_LIMITS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    });
    this.#guard = new HttpGuard(
      this.#server,
      options.pendingClients ?? createPendingClients(this.#meter),
    );
    this.#context = {
      nodeName,
      handlers,
      auth,
      log,
      logLimit: new LogLimit(),
      onAllowed: (request) => this.#guard.admit(request),
      signal: this.#stop.signal,
    };
    this.#attach();
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  async listen(
    { host, port }: { host?: string; port: number },
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ port, ...(host && { host }) }, resolve);
    try {
      await promise;
    } catch (cause) {
      throw toListenError(
        cause,
        `Cannot listen on ${
          formatEndpoint({ host: host ?? "*", port })
        } for node ${JSON.stringify(this.#nodeName)}`,
      );
    } finally {
      this.#server.off("error", reject);
    }
    this.#server.on("error", (error) => {
      this.#context.log.error("kubelet server failed", {
        node: this.#nodeName,
        error,
      });
    });
  }

  setTls(tls: ServingTls): void {
    const clientCa = tls.clientCa ?? this.#clientCa;
    const context = toTlsContext({ ...tls, clientCa }, this.#nodeName);
    this.#server.setSecureContext(context);
    this.#clientCa = clientCa;
  }

  close(reason = "the node's server is closing"): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #attach(): void {
    this.#guard.onRequest((request, response) => {
      this.#meter.count("aranya_kubelet_requests_total");
      this.#track(handleRequest(request, response, this.#context));
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#meter.count("aranya_kubelet_upgrades_total");
      const upgrade = { request, socket: socket as Socket, head };
      this.#track(handleUpgrade(upgrade, this.#context));
    });
    // Anything that is not TLS: closed without an answer or a log line, as by HttpGuard.
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  #track(work: Promise<void>): void {
    const task: Promise<void> = work.finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  async #close(reason: string): Promise<void> {
    const closed = new Promise<void>((resolve) =>
      this.#server.close(() => resolve())
    );
    this.#stop.abort(
      new AranyaError(
        "unavailable",
        `Cannot continue on node ${JSON.stringify(this.#nodeName)}: ${reason}`,
      ),
    );
    this.#server.closeIdleConnections();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    await Promise.race([Promise.all(this.#running), late]);
    this.#server.closeAllConnections();
    await Promise.race([closed, late]);
    clearTimeout(timer);
  }
}

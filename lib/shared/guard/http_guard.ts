// SPDX-License-Identifier: Apache-2.0
/** Bounds on what unauthenticated clients can make an HTTP server hold. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { toPeer } from "./network.ts";
import type { PendingSockets } from "./pending_sockets.ts";

/**
 * Upper bound of requests on one connection that are not answered yet. Clients of HTTP/1.1 send
 * one after the other.
 */
const MAX_OPEN_REQUESTS = 8;

/** Upper bound of a body, in bytes: no request of these servers has one. */
const MAX_BODY_BYTES = 4096;

/** Time-outs of node:http's servers, in milliseconds, and the largest header. */
export const HTTP_SERVER_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  maxHeaderSize: 64 * 1024,
} as const;

interface Connection {
  /** Its slot among the connections of unauthenticated clients. */
  slot: Disposable;
  openCount: number;
  /** It had too many requests and was destroyed. */
  isRefused: boolean;
}

/**
 * Bounds the connections of unauthenticated clients to a server of node:http or node:https, and the
 * unanswered requests on each connection: node:http handles pipelined requests side by side.
 *
 * @example
 * ```ts
 * const guard = new HttpGuard(server, pendingSockets);
 * guard.onRequest(async (request, response) => {
 *   if (await isAllowed(request)) guard.admit(request);
 *   …
 * });
 * ```
 */
export class HttpGuard {
  readonly #server: Pick<Server, "on">;
  readonly #pending: PendingSockets;
  readonly #connections = new Map<string, Connection>();

  /**
   * Guards a server that does not listen yet.
   * @param pending connections of unauthenticated clients, of one or more servers
   */
  constructor(server: Pick<Server, "on">, pending: PendingSockets) {
    this.#server = server;
    this.#pending = pending;
    server.on("connection", (socket) => this.#add(socket));
    // Anything that is not HTTP: closed without an answer or a log line, which scanners could
    // flood.
    server.on("clientError", (_error, socket) => socket.destroy());
  }

  /**
   * Calls the listener for each request that is within the bounds. A small body is dropped; a
   * large one ends its connection, for even dropped chunks cost time and memory.
   */
  onRequest(
    listener: (request: IncomingMessage, response: ServerResponse) => void,
  ): void {
    this.#server.on("request", (request, response) => {
      if (!this.#count(request, response)) return;
      // Without a listener an error of the request would end the process.
      request.on("error", () => {});
      // Before the parser goes on: an answer first would cost it thousands of chunks.
      if (hasLargeBody(request)) return request.socket.destroy();
      request.resume();
      listener(request, response);
    });
  }

  /** Marks the client of this request as authenticated: its connection is no longer pending. */
  admit({ socket }: IncomingMessage): void {
    this.#connections.get(toPeer(socket))?.slot[Symbol.dispose]();
  }

  #add(socket: Socket): void {
    const slot = this.#pending.add(socket);
    if (!slot) return;
    const peer = toPeer(socket);
    const connection = { slot, openCount: 0, isRefused: false };
    this.#connections.set(peer, connection);
    socket.once("close", () => {
      if (this.#connections.get(peer) !== connection) return;
      this.#connections.delete(peer);
    });
  }

  /** Counts a request on its connection; false: it is one too many. */
  #count({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#connections.get(toPeer(socket));
    // Further requests of a destroyed connection that came with the same bytes.
    if (!connection || connection.isRefused) return false;
    connection.openCount++;
    response.once("close", () => connection.openCount--);
    connection.isRefused = connection.openCount > MAX_OPEN_REQUESTS;
    if (connection.isRefused) socket.destroy();
    return !connection.isRefused;
  }
}

/** Whether a request announces a body that is too large, or of unknown length. */
function hasLargeBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined ||
    Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES;
}

// SPDX-License-Identifier: Apache-2.0
/** HTTPS to one API server over pools of kept connections. */
import type { IncomingMessage, RequestOptions } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { AranyaError, defined, onAbort } from "../../shared/base/mod.ts";
import type { ConnectionPool } from "./api.ts";
import type { Credentials } from "./kubeconfig.ts";

/** One HTTP request. */
export interface HttpCall {
  method: string;
  /** Path with query; the path of the server's URL goes in front. */
  path: string;
  /** Added to `authorization` and `user-agent`. */
  headers: Record<string, string>;
  body?: string | undefined;
  pool: ConnectionPool;
  /** Ends the request, or the reading of its reply. */
  signal: AbortSignal;
}

/** One HTTP reply. */
export interface HttpReply {
  status: number;
  /** Returns the value of a header; `name` is in lower case. */
  header(name: string): string | undefined;
  /** @throws {AranyaError} code "unavailable" when the connection breaks; the signal's reason */
  body: AsyncIterable<Uint8Array>;
  /** Closes the connection; for replies whose body isn't read to its end. */
  destroy(): void;
}

/** Sends requests to one API server. */
export interface Transport {
  /** The credentials in use. */
  readonly credentials: Credentials;
  /**
   * Sends one request and resolves with the head of its reply, whatever the status is.
   * @throws {AranyaError} code "unavailable" when there is no connection; the signal's reason
   */
  send(call: HttpCall): Promise<HttpReply>;
  /**
   * Reads the credentials again and uses them for new connections; does nothing within 10 s of the
   * last time. Returns whether they have changed.
   */
  reload(): Promise<boolean>;
  /** Closes all connections; later requests fail. */
  close(): void;
}

/** Options of {@linkcode createTransport}. */
export interface TransportOptions {
  credentials: Credentials;
  /** Reads the credentials again. */
  load: () => Promise<Credentials>;
  /** Names the program in the API server's audit log. */
  userAgent: string;
}

const RELOAD_INTERVAL_MS = 10_000;
const TOKEN_MAX_AGE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_PROBE_MS = 15_000;
const NORMAL_CONNECTION_COUNT = 24;
const LEASE_CONNECTION_COUNT = 6;
/** One is in use; another may be broken and not known to be. */
const ELECTION_CONNECTION_COUNT = 2;
const IDLE_WATCH_CONNECTION_COUNT = 8;
const MAX_STALE_RETRIES = 3;

/** Creates a transport. Connections are opened when they are needed. */
export function createTransport(options: TransportOptions): Transport {
  return new HttpsTransport(options);
}

class HttpsTransport implements Transport {
  readonly #options: TransportOptions;
  #credentials: Credentials;
  #agents: Record<ConnectionPool, Agent>;
  #token = { value: "", readMs: -Infinity };
  #reloadedMs = performance.now();
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#agents = this.#createAgents();
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  async send(call: HttpCall): Promise<HttpReply> {
    const authorization = await this.#readAuthorization();
    const url = new URL(this.#credentials.server);
    const request: RequestOptions = {
      agent: this.#agents[call.pool],
      method: call.method,
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 443 : Number(url.port),
      path: url.pathname.replace(/\/$/, "") + call.path,
      headers: {
        "user-agent": this.#options.userAgent,
        ...defined({ authorization }),
        ...call.headers,
      },
    };
    // The server may close a kept connection at the moment it is used again. It has not read the
    // request then, so that also a write can be repeated.
    for (let retries = 0;; retries++) {
      if (this.#closed) throw toUnavailable("the client is closed");
      try {
        return await exchange(request, call);
      } catch (error) {
        if (!(error instanceof StaleConnectionError)) throw error;
        if (retries >= MAX_STALE_RETRIES) throw error.reason;
      }
    }
  }

  async reload(): Promise<boolean> {
    if (performance.now() - this.#reloadedMs < RELOAD_INTERVAL_MS) return false;
    this.#reloadedMs = performance.now();
    this.#token.readMs = -Infinity;
    const fresh = await this.#options.load();
    if (JSON.stringify(fresh) === JSON.stringify(this.#credentials)) {
      return false;
    }
    this.#credentials = fresh;
    const former = this.#agents;
    this.#agents = this.#createAgents();
    // Open watches keep the credentials they were opened with, until the server ends them.
    former.normal.destroy();
    former.leases.destroy();
    former.election.destroy();
    return true;
  }

  close(): void {
    this.#closed = true;
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #createAgents(): Record<ConnectionPool, Agent> {
    const { ca, cert, key, insecure, serverName } = this.#credentials;
    const create = (maxSockets: number) =>
      new Agent({
        keepAlive: true,
        keepAliveMsecs: KEEP_ALIVE_PROBE_MS,
        maxSockets,
        maxFreeSockets: Number.isFinite(maxSockets)
          ? maxSockets
          : IDLE_WATCH_CONNECTION_COUNT,
        rejectUnauthorized: !insecure,
        ...defined({ ca, cert, key, servername: serverName }),
      });
    return {
      normal: create(NORMAL_CONNECTION_COUNT),
      leases: create(LEASE_CONNECTION_COUNT),
      election: create(ELECTION_CONNECTION_COUNT),
      watches: create(Infinity),
    };
  }

  /**
   * Returns the value of the Authorization header. A token file is read again every 30 s, because
   * the kubelet replaces the token in it before it expires.
   */
  async #readAuthorization(): Promise<string | undefined> {
    const { authorization, tokenFile } = this.#credentials;
    if (tokenFile === undefined) return authorization;
    const nowMs = performance.now();
    if (nowMs - this.#token.readMs > TOKEN_MAX_AGE_MS) {
      try {
        const value = (await Deno.readTextFile(tokenFile)).trim();
        this.#token = { value, readMs: nowMs };
      } catch (error) {
        // The token that was read before stays valid for a while.
        if (this.#token.value === "") {
          throw new AranyaError(
            "unauthorized",
            `Cannot read token file ${JSON.stringify(tokenFile)}: ${
              error instanceof Error ? error.message : error
            }`,
            { cause: error },
          );
        }
      }
    }
    return `Bearer ${this.#token.value}`;
  }
}

/** A kept connection broke before the first byte of the reply. */
class StaleConnectionError extends Error {
  /** What the caller sees once the retries are used up. */
  readonly reason: AranyaError;

  constructor(reason: AranyaError) {
    super("stale connection");
    this.reason = reason;
  }
}

function exchange(
  options: RequestOptions,
  call: HttpCall,
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    if (call.signal.aborted) return reject(call.signal.reason);
    const request = httpsRequest(options);
    let connectTimer: ReturnType<typeof setTimeout> | undefined;
    const abortListener = onAbort(call.signal, (reason) => {
      clearTimeout(connectTimer);
      reject(reason);
      request.destroy();
    });
    request.on("socket", (socket) => {
      if (!socket.connecting) return;
      connectTimer = setTimeout(
        () =>
          request.destroy(
            new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`),
          ),
        CONNECT_TIMEOUT_MS,
      );
      socket.once("secureConnect", () => clearTimeout(connectTimer));
    });
    // Never removed: a broken connection emits a second "error" after the reply.
    request.on("error", (error) => {
      clearTimeout(connectTimer);
      abortListener[Symbol.dispose]();
      const unavailable = toUnavailable(error.message, error);
      reject(
        request.reusedSocket && isHangUp(error)
          ? new StaleConnectionError(unavailable)
          : unavailable,
      );
    });
    request.on("response", (response: IncomingMessage) => {
      clearTimeout(connectTimer);
      abortListener[Symbol.dispose]();
      const bodyListener = onAbort(call.signal, () => response.destroy());
      // The error reaches the caller through the iterator of the body.
      response.on("error", () => {});
      response.once("close", () => bodyListener[Symbol.dispose]());
      resolve(toReply(response, call.signal));
    });
    request.end(call.body);
  });
}

function isHangUp(error: Error & { code?: string }): boolean {
  return error.code === "ECONNRESET" || error.code === "EPIPE" ||
    error.message.includes("hang up");
}

function toReply(response: IncomingMessage, signal: AbortSignal): HttpReply {
  return {
    status: response.statusCode ?? 0,
    header(name) {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body: readBody(response, signal),
    destroy: () => void response.destroy(),
  };
}

async function* readBody(
  response: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    signal.throwIfAborted();
    throw toUnavailable(
      error instanceof Error ? error.message : String(error),
      error,
    );
  }
  signal.throwIfAborted();
  if (!response.complete) throw toUnavailable("the reply is incomplete");
}

function toUnavailable(state: string, cause?: unknown): AranyaError {
  return new AranyaError("unavailable", state, { cause });
}

// SPDX-License-Identifier: Apache-2.0
/** HTTPS to one API server over pools of kept connections. */
import type { IncomingMessage, RequestOptions } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { AranyaError, defined, onAbort } from "../../shared/base/mod.ts";
import type { ConnectionPool } from "./api.ts";
import type { Credentials } from "./credentials.ts";
import { TunnelAgent } from "./tunnel_agent.ts";

/** One HTTP request. */
export interface HttpCall {
  method: string;
  /** Path with query; the path of the server's URL goes in front. */
  path: string;
  /** Added to `authorization` and `user-agent`. */
  headers: Record<string, string>;
  body?: string | undefined;
  pool: ConnectionPool;
  /**
   * Whether it may be sent again when a kept connection breaks before the reply: the server may
   * have carried it out. @default whether the method is not POST
   */
  isRepeatable?: boolean;
  /** Ends the request, or the reading of its reply. */
  signal: AbortSignal;
}

/** One HTTP reply. */
export interface HttpReply {
  status: number;
  /** What the request was sent with; for {@linkcode Transport.reload}. */
  credentials: CredentialsInUse;
  /** Returns the value of a header; `name` is in lower case. */
  header(name: string): string | undefined;
  /** @throws {AranyaError} code "unavailable" when the connection breaks; the signal's reason */
  body: AsyncIterable<Uint8Array>;
  /** Closes the connection; for replies whose body isn't read to its end. */
  destroy(): void;
}

/** Credentials, and the token that was read from their file. */
export interface CredentialsInUse {
  readonly credentials: Credentials;
  readonly authorization: string | undefined;
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
   * Returns whether other credentials than `refused` are in use, which a request was sent with that
   * failed. Unless they are already, reads them again, though not within `reloadIntervalMs` of the
   * last time. Calls at the same time share one attempt.
   * @throws {AranyaError} when they can't be read; those in use stay
   */
  reload(refused: CredentialsInUse): Promise<boolean>;
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
  /** Shortest time between two readings of the credentials, in milliseconds. @default 10000 */
  reloadIntervalMs?: number;
}

const RELOAD_INTERVAL_MS = 10_000;
const TOKEN_MAX_AGE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_PROBE_MS = 15_000;
const NORMAL_CONNECTION_COUNT = 24;
/** So many Leases can be renewed at the same time; more requests would wait for a connection. */
export const LEASE_CONNECTION_COUNT = 16;
/** One is in use; another may be broken and not known to be. */
const ELECTION_CONNECTION_COUNT = 2;
const IDLE_WATCH_CONNECTION_COUNT = 8;
const MAX_STALE_RETRIES = 3;
/** Credentials that expire within this time are replaced before the next request. */
const EXPIRY_MARGIN_MS = 30_000;
/** Errors of node:tls when the server's certificate isn't trusted: perhaps its CA was rotated. */
const UNTRUSTED_CODES = [
  "CERT_HAS_EXPIRED",
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

/** Creates a transport. Connections are opened when they are needed. */
export function createTransport(options: TransportOptions): Transport {
  return new HttpsTransport(options);
}

class HttpsTransport implements Transport {
  readonly #options: TransportOptions;
  #inUse: CredentialsInUse;
  #agents: Record<ConnectionPool, Agent>;
  #tokenReadMs = -Infinity;
  #reloadedMs = performance.now();
  #reloading: Promise<void> | undefined;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { credentials } = options;
    this.#inUse = { credentials, authorization: credentials.authorization };
    this.#agents = this.#createAgents();
  }

  get credentials(): Credentials {
    return this.#inUse.credentials;
  }

  async send(call: HttpCall): Promise<HttpReply> {
    await this.#refresh();
    for (let attempt = 1;; attempt++) {
      if (this.#closed) throw toUnavailable("the client is closed");
      const inUse = this.#inUse;
      try {
        return await exchange(this.#toRequest(call), { call, inUse });
      } catch (error) {
        if (error instanceof UntrustedServerError) {
          if (attempt === 1 && await this.reload(inUse)) continue;
          throw error.reason;
        }
        // The server may close a kept connection at the moment it is used again. Most likely it has
        // not read the request then, which is not certain behind a load balancer.
        if (!(error instanceof StaleConnectionError)) throw error;
        const { isRepeatable = call.method !== "POST" } = call;
        if (!isRepeatable || attempt > MAX_STALE_RETRIES) throw error.reason;
      }
    }
  }

  async reload(refused: CredentialsInUse): Promise<boolean> {
    const { reloadIntervalMs = RELOAD_INTERVAL_MS } = this.#options;
    const isDue = performance.now() - this.#reloadedMs >= reloadIntervalMs;
    if (this.#inUse === refused && (this.#reloading || isDue)) {
      this.#reloading ??= this.#reloadOnce().finally(() => {
        this.#reloading = undefined;
      });
      await this.#reloading;
    }
    return this.#inUse !== refused;
  }

  close(): void {
    this.#closed = true;
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #reloadOnce(): Promise<void> {
    this.#reloadedMs = performance.now();
    const credentials = await this.#options.load();
    if (this.#closed) return;
    const former = this.#inUse.credentials;
    const isSame = JSON.stringify(credentials) === JSON.stringify(former);
    if (!isSame) {
      this.#inUse = { credentials, authorization: credentials.authorization };
      const agents = this.#agents;
      this.#agents = this.#createAgents();
      // Open watches keep the credentials they were opened with, until the server ends them.
      agents.normal.destroy();
      agents.leases.destroy();
      agents.election.destroy();
    }
    await this.#readToken();
  }

  /**
   * Replaces credentials that expire soon. A token file is read again every 30 s, because the
   * kubelet replaces the token in it before it expires.
   */
  async #refresh(): Promise<void> {
    const { tokenFile, expiresMs = Infinity } = this.credentials;
    if (expiresMs - Date.now() < EXPIRY_MARGIN_MS) {
      // Those in use may still be valid: the API server decides.
      await this.reload(this.#inUse).catch(() => {});
    }
    if (tokenFile === undefined) return;
    if (performance.now() - this.#tokenReadMs > TOKEN_MAX_AGE_MS) {
      await this.#readToken();
    }
  }

  async #readToken(): Promise<void> {
    const { credentials } = this.#inUse;
    const { tokenFile } = credentials;
    if (tokenFile === undefined) return;
    try {
      const token = (await Deno.readTextFile(tokenFile)).trim();
      this.#tokenReadMs = performance.now();
      const authorization = `Bearer ${token}`;
      if (authorization === this.#inUse.authorization) return;
      this.#inUse = { credentials, authorization };
    } catch (error) {
      // The token that was read before stays valid for a while.
      if (this.#inUse.authorization !== undefined) return;
      throw new AranyaError(
        "unauthorized",
        `Cannot read token file ${JSON.stringify(tokenFile)}: ${
          error instanceof Error ? error.message : error
        }`,
        { cause: error },
      );
    }
  }

  #toRequest(call: HttpCall): RequestOptions {
    const { credentials, authorization } = this.#inUse;
    const url = new URL(credentials.server);
    return {
      agent: this.#agents[call.pool],
      method: call.method,
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 443 : Number(url.port),
      path: url.pathname.replace(/\/$/, "") + call.path,
      headers: {
        "user-agent": this.#options.userAgent,
        ...defined({ authorization }),
        ...credentials.headers,
        ...call.headers,
      },
    };
  }

  #createAgents(): Record<ConnectionPool, Agent> {
    const { ca, cert, key, insecure, serverName, proxy } = this.credentials;
    const create = (maxSockets: number) => {
      const options = {
        keepAlive: true,
        keepAliveMsecs: KEEP_ALIVE_PROBE_MS,
        maxSockets,
        maxFreeSockets: Number.isFinite(maxSockets)
          ? maxSockets
          : IDLE_WATCH_CONNECTION_COUNT,
        rejectUnauthorized: !insecure,
        ...defined({ ca, cert, key, servername: serverName }),
      };
      return proxy === undefined
        ? new Agent(options)
        : new TunnelAgent({ ...options, proxy, timeoutMs: CONNECT_TIMEOUT_MS });
    };
    return {
      normal: create(NORMAL_CONNECTION_COUNT),
      leases: create(LEASE_CONNECTION_COUNT),
      election: create(ELECTION_CONNECTION_COUNT),
      watches: create(Infinity),
    };
  }
}

/** An attempt that failed in a way that `send` may mend. */
abstract class AttemptError extends Error {
  /** What the caller sees when it is not mended. */
  readonly reason: AranyaError;

  constructor(reason: AranyaError) {
    super(reason.message);
    this.reason = reason;
  }
}

/** A kept connection broke before the first byte of the reply. */
class StaleConnectionError extends AttemptError {}

/** The server's certificate could not be verified. */
class UntrustedServerError extends AttemptError {}

function exchange(
  options: RequestOptions,
  { call, inUse }: { call: HttpCall; inUse: CredentialsInUse },
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    if (call.signal.aborted) return reject(call.signal.reason);
    const request = httpsRequest(options);
    // Deno sends a request again when a kept connection breaks, also a POST, and even when the
    // request was destroyed here (denoland/deno#36786). This is its mark of a second attempt.
    Object.assign(request, { _retrying: true });
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
      reject(toAttemptError(error, { isReused: request.reusedSocket }));
    });
    request.on("response", (response: IncomingMessage) => {
      clearTimeout(connectTimer);
      abortListener[Symbol.dispose]();
      const bodyListener = onAbort(call.signal, () => response.destroy());
      // The error reaches the caller through the iterator of the body.
      response.on("error", () => {});
      response.once("close", () => bodyListener[Symbol.dispose]());
      resolve(toReply(response, { signal: call.signal, inUse }));
    });
    request.end(call.body);
  });
}

function toAttemptError(
  error: Error & { code?: string },
  { isReused }: { isReused: boolean },
): Error {
  const unavailable = toUnavailable(error.message, error);
  const { code = "", message } = error;
  if (UNTRUSTED_CODES.includes(code)) {
    return new UntrustedServerError(unavailable);
  }
  const isHangUp = code === "ECONNRESET" || code === "EPIPE" ||
    message.includes("hang up");
  return isReused && isHangUp
    ? new StaleConnectionError(unavailable)
    : unavailable;
}

function toReply(
  response: IncomingMessage,
  { signal, inUse }: { signal: AbortSignal; inUse: CredentialsInUse },
): HttpReply {
  return {
    status: response.statusCode ?? 0,
    credentials: inUse,
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

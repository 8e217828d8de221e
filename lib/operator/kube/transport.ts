// SPDX-License-Identifier: Apache-2.0
/**
 * HTTPS to one API server: pooled keep-alive connections, credentials that may change, one reply or a stream of bytes.
 * Three pools, so that neither watches nor a burst of writes hold up what keeps leases alive.
 */
import type { IncomingMessage, RequestOptions } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { AranyaError } from "../../shared/base/mod.ts";
import type { Credentials } from "./kubeconfig.ts";

/** Which pool a call uses. */
export type Lane = "normal" | "urgent" | "watch";

/** One HTTP request. */
export interface HttpCall {
  method: string;
  /** Path with its query. */
  path: string;
  headers: Record<string, string>;
  body?: string | undefined;
  lane: Lane;
  signal: AbortSignal;
}

/** One HTTP reply. */
export interface HttpReply {
  status: number;
  /** Lower-case names. */
  header(name: string): string | undefined;
  body: AsyncIterable<Uint8Array>;
  /** Gives the connection up; for replies whose body isn't read to its end. */
  destroy(): void;
}

/** See {@linkcode createTransport}. */
export interface Transport {
  readonly credentials: Credentials;
  /** Sends one request. @throws {AranyaError} code "unavailable" when there is no connection; the signal's reason */
  send(call: HttpCall): Promise<HttpReply>;
  /** Reads the credentials again, at most every 10 s; true when they have changed. */
  reload(): Promise<boolean>;
  /** Ends all connections. */
  close(): void;
}

/** Options of {@linkcode createTransport}. */
export interface TransportOptions {
  credentials: Credentials;
  /** Reads the credentials anew. */
  load: () => Promise<Credentials>;
  userAgent: string;
  /** Connections of the normal pool. @default 24 */
  connectionCount?: number;
}

const RELOAD_INTERVAL_MS = 10_000;
const TOKEN_AGE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_PROBE_MS = 15_000;
const URGENT_CONNECTION_COUNT = 6;

/** Makes a transport; connections are opened when they are needed. */
export function createTransport(options: TransportOptions): Transport {
  return new HttpsTransport(options);
}

class HttpsTransport implements Transport {
  readonly #options: TransportOptions;
  #credentials: Credentials;
  #agents: Record<Lane, Agent>;
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
    const authorization = await this.#authorization();
    const url = new URL(this.#credentials.server);
    const request: RequestOptions = {
      agent: this.#agents[call.lane],
      method: call.method,
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 443 : Number(url.port),
      path: url.pathname.replace(/\/$/, "") + call.path,
      headers: {
        "user-agent": this.#options.userAgent,
        ...(authorization === undefined ? {} : { authorization }),
        ...call.headers,
      },
    };
    // A kept connection may have been closed by the server at the same moment: that says nothing about the request, which was not read.
    for (let attempt = 0;; attempt++) {
      if (this.#closed) throw unavailable("the client is closed");
      try {
        return await exchange(request, call);
      } catch (error) {
        if (!(error instanceof StaleConnection) || attempt >= 3) {
          throw error instanceof StaleConnection ? error.error : error;
        }
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
    // Watches go on with the credentials they were opened with, until they end by themselves.
    former.normal.destroy();
    former.urgent.destroy();
    return true;
  }

  close(): void {
    this.#closed = true;
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #createAgents(): Record<Lane, Agent> {
    const { ca, cert, key, insecure, serverName } = this.#credentials;
    const create = (maxSockets: number) =>
      new Agent({
        keepAlive: true,
        keepAliveMsecs: KEEP_ALIVE_PROBE_MS,
        maxSockets,
        maxFreeSockets: Number.isFinite(maxSockets) ? maxSockets : 8,
        rejectUnauthorized: !insecure,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
    return {
      normal: create(this.#options.connectionCount ?? 24),
      urgent: create(URGENT_CONNECTION_COUNT),
      watch: create(Infinity),
    };
  }

  /** Header value; a token file is read again from time to time, since Kubernetes replaces its content. */
  async #authorization(): Promise<string | undefined> {
    const { authorization, tokenFile } = this.#credentials;
    if (tokenFile === undefined) return authorization;
    const nowMs = performance.now();
    if (nowMs - this.#token.readMs > TOKEN_AGE_MS) {
      try {
        const value = (await Deno.readTextFile(tokenFile)).trim();
        this.#token = { value, readMs: nowMs };
      } catch (error) {
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

/** A kept connection broke before anything of the reply came. */
class StaleConnection extends Error {
  readonly error: AranyaError;
  constructor(error: AranyaError) {
    super("stale connection");
    this.error = error;
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
    const finish = () => {
      clearTimeout(connectTimer);
      call.signal.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      finish();
      reject(call.signal.reason);
      request.destroy();
    };
    call.signal.addEventListener("abort", onAbort, { once: true });
    request.on("socket", (socket) => {
      if (!socket.connecting) return;
      connectTimer = setTimeout(
        () => request.destroy(new Error("no connection in time")),
        CONNECT_TIMEOUT_MS,
      );
      socket.once("secureConnect", () => clearTimeout(connectTimer));
    });
    // This listener stays for good: a broken connection reports once more after the reply.
    request.on("error", (error: Error & { code?: string }) => {
      finish();
      const failure = unavailable(error.message, error);
      const stale = request.reusedSocket &&
        (error.code === "ECONNRESET" || error.code === "EPIPE" ||
          error.message.includes("hang up"));
      reject(stale ? new StaleConnection(failure) : failure);
    });
    request.on("response", (response: IncomingMessage) => {
      clearTimeout(connectTimer);
      response.on("error", () => {});
      response.once("close", finish);
      call.signal.removeEventListener("abort", onAbort);
      call.signal.addEventListener("abort", () => response.destroy(), {
        once: true,
      });
      resolve(toReply(response, call.signal));
    });
    request.end(call.body);
  });
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
    throw unavailable(
      error instanceof Error ? error.message : String(error),
      error,
    );
  }
  signal.throwIfAborted();
  if (!response.complete) throw unavailable("the connection was cut");
}

function unavailable(state: string, cause?: unknown): AranyaError {
  return new AranyaError("unavailable", state, { cause });
}

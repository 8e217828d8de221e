// SPDX-License-Identifier: Apache-2.0
/** The Docker client over HTTP/1.1: a pool of idle connections and the API version. */
import {
  AranyaError,
  concatBytes,
  defined,
  fromUtf8,
  utf8,
} from "../../shared/base/mod.ts";
import type { DockerCall, DockerClient, DockerSocket } from "./client.ts";
import { DockerDialer } from "./dial.ts";
import { fromBrokenConnection, fromStatus } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import type { HttpConnection, HttpRequest, ResponseHead } from "./http.ts";
import { selectApiVersion } from "./version.ts";

/** Options of {@linkcode DockerHttpClient}. */
export interface DockerHttpClientOptions {
  /** "unix:///path" or "tcp://host:port". @default "unix:///var/run/docker.sock" */
  host?: string;
}

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_IDLE_CONNECTIONS = 4;
/** Responses of `request` are lists and descriptions; a larger one is an error of the engine. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;

const PING: HttpRequest = {
  head: "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n",
  body: new Uint8Array(),
};

/**
 * Client of one engine. Nothing is dialed before the first call, which also negotiates the API
 * version. Idle connections are kept and used again. Dispose the client to close all connections.
 *
 * @example
 * ```ts
 * await using client = new DockerHttpClient({ host: "unix:///var/run/docker.sock" });
 * const info = await client.request({ method: "GET", path: "/info", action: "Cannot get info" });
 * ```
 */
export class DockerHttpClient implements DockerClient {
  readonly host: string;
  readonly #dialer: DockerDialer;
  readonly #exchanges = new Set<Exchange>();
  #idleConnections: HttpConnection[] = [];
  #apiVersion: string | undefined;
  #disposed = false;

  /** @throws {AranyaError} code "invalid" when `host` is no address of an engine */
  constructor({ host = DEFAULT_HOST }: DockerHttpClientOptions = {}) {
    this.host = host;
    this.#dialer = new DockerDialer(host);
  }

  async request<T>(call: DockerCall): Promise<T> {
    const exchange = await this.#open(call);
    try {
      const head = await this.#sendAndReadHead(exchange, call);
      const body = await exchange.translateErrors(
        collect(this.#readBody(exchange, head), {
          maxBytes: MAX_RESPONSE_BYTES,
          action: call.action,
        }),
      );
      return (body.length === 0 ? undefined : JSON.parse(fromUtf8(body))) as T;
    } catch (error) {
      throw error instanceof SyntaxError
        ? new AranyaError(
          "internal",
          `${call.action}: Docker's response is not JSON`,
          { cause: error },
        )
        : error;
    } finally {
      this.#close(exchange);
    }
  }

  async stream(call: DockerCall): Promise<AsyncIterable<Uint8Array>> {
    const exchange = await this.#open(call);
    try {
      const head = await this.#sendAndReadHead(exchange, call);
      exchange.stopTimer();
      return this.#streamBody(exchange, head);
    } catch (error) {
      this.#close(exchange);
      throw error;
    }
  }

  async hijack(call: DockerCall): Promise<DockerSocket> {
    const exchange = await this.#open(call);
    try {
      await this.#sendAndReadHead(exchange, {
        ...call,
        headers: { connection: "Upgrade", upgrade: "tcp", ...call.headers },
      });
    } catch (error) {
      this.#close(exchange);
      throw error;
    }
    exchange.stopTimer();
    const { connection } = exchange;
    return {
      output: exchange.translateStreamErrors(connection.readRaw()),
      write: (chunk) => exchange.translateErrors(connection.write(chunk)),
      endInput: () => exchange.translateErrors(connection.closeWrite()),
      close: () => this.#close(exchange),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#closeIdleConnections();
    for (const exchange of this.#exchanges) {
      exchange.abort(toDisposedError("Cannot use Docker"));
    }
    this.#exchanges.clear();
    return Promise.resolve();
  }

  /** Takes an idle connection or dials a new one. */
  async #open(call: DockerCall): Promise<Exchange> {
    call.signal?.throwIfAborted();
    const idle = this.#idleConnections.pop();
    const exchange = new Exchange({
      connection: idle ?? await this.#dial(),
      isReused: idle !== undefined,
      action: call.action,
      timeoutMs: call.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      signal: call.signal,
    });
    this.#exchanges.add(exchange);
    // The client may have been disposed during the dial.
    if (this.#disposed) exchange.abort(toDisposedError(call.action));
    return exchange;
  }

  async #dial(): Promise<HttpConnection> {
    try {
      return await this.#dialer.dial();
    } catch (error) {
      // The engine may come back as another version.
      this.#apiVersion = undefined;
      throw error;
    }
  }

  /** @throws {AranyaError} when the status is 400 or above */
  async #sendAndReadHead(
    exchange: Exchange,
    call: DockerCall,
  ): Promise<ResponseHead> {
    const { action } = call;
    this.#apiVersion ??= await this.#negotiateVersion(exchange, action);
    const request = encodeRequest(call, this.#apiVersion);
    const head = await this.#roundTrip(exchange, request);
    if (head.status < 400) return head;
    const body = await exchange.translateErrors(
      collect(this.#readBody(exchange, head), {
        maxBytes: MAX_ERROR_BYTES,
        action,
      }),
    );
    throw fromStatus(head.status, { body, action });
  }

  /** Returns the version to speak. The ping has no version in its path, so any engine responds. */
  async #negotiateVersion(exchange: Exchange, action: string): Promise<string> {
    const head = await this.#roundTrip(exchange, PING);
    const body = await exchange.translateErrors(
      collect(exchange.connection.readBody(head), {
        maxBytes: MAX_ERROR_BYTES,
        action,
      }),
    );
    if (head.status >= 400) throw fromStatus(head.status, { body, action });
    return selectApiVersion(head.headers.get("api-version"), this.host);
  }

  /**
   * Sends a request and reads the response's head. Tries once more on a new connection when an
   * idle one turns out to have been closed by the engine.
   */
  async #roundTrip(
    exchange: Exchange,
    request: HttpRequest,
  ): Promise<ResponseHead> {
    try {
      await exchange.connection.send(request);
      return await exchange.connection.readHead();
    } catch (error) {
      const mayRetry = exchange.isReused && !exchange.isAborted &&
        !exchange.connection.hasReceived;
      if (!mayRetry) throw exchange.toCallerError(error);
      this.#closeIdleConnections();
      exchange.replaceConnection(await this.#dial());
    }
    return await exchange.translateErrors((async () => {
      await exchange.connection.send(request);
      return await exchange.connection.readHead();
    })());
  }

  /** Yields the body; at its end the connection becomes idle if it can serve another request. */
  async *#readBody(
    exchange: Exchange,
    head: ResponseHead,
  ): AsyncGenerator<Uint8Array> {
    const { isReusable } = yield* exchange.connection.readBody(head);
    const isPoolFull = this.#idleConnections.length >= MAX_IDLE_CONNECTIONS;
    if (!isReusable || this.#disposed || isPoolFull) return;
    if (!exchange.releaseConnection()) return;
    this.#idleConnections.push(exchange.connection);
  }

  /** Yields the body and ends the exchange, also when the reader leaves. */
  async *#streamBody(
    exchange: Exchange,
    head: ResponseHead,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* exchange.translateStreamErrors(this.#readBody(exchange, head));
    } finally {
      this.#close(exchange);
    }
  }

  /** Ends an exchange. May be called twice. */
  #close(exchange: Exchange): void {
    this.#exchanges.delete(exchange);
    exchange.close();
  }

  #closeIdleConnections(): void {
    for (const connection of this.#idleConnections) connection.close();
    this.#idleConnections = [];
  }
}

function toDisposedError(action: string): AranyaError {
  return new AranyaError(
    "unavailable",
    `${action}: the Docker client is closed`,
  );
}

/**
 * Encodes a call as a request of HTTP/1.1.
 * @param apiVersion e.g. "1.43"
 */
function encodeRequest(call: DockerCall, apiVersion: string): HttpRequest {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  const { body, contentType } = encodeBody(call.body);
  const headers: Record<string, string> = {
    host: "docker",
    "content-length": String(body.length),
    ...defined({ "content-type": contentType }),
    ...call.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) =>
    `${name}: ${value.replace(/[\r\n]/g, "")}\r\n`
  );
  const search = query.size === 0 ? "" : `?${query}`;
  const target = `/v${apiVersion}${call.path}${search}`;
  return {
    head: `${call.method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`,
    body,
  };
}

/** Encodes bytes unchanged and any other value as JSON. */
function encodeBody(
  body: unknown,
): { body: Uint8Array; contentType: string | undefined } {
  if (body === undefined) {
    return { body: new Uint8Array(), contentType: undefined };
  }
  return body instanceof Uint8Array
    ? { body, contentType: "application/x-tar" }
    : { body: utf8(JSON.stringify(body)), contentType: "application/json" };
}

/**
 * Returns all bytes.
 * @throws {AranyaError} code "unavailable" when there are more than `maxBytes`
 */
async function collect(
  chunks: AsyncIterable<Uint8Array>,
  { maxBytes, action }: { maxBytes: number; action: string },
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) {
      throw fromBrokenConnection(
        new Error(`the response is longer than ${maxBytes} bytes`),
        action,
      );
    }
    parts.push(chunk);
  }
  return concatBytes(parts);
}

// SPDX-License-Identifier: Apache-2.0
/** The Docker Engine API as calls: JSON requests, streamed answers and hijacked connections. */
import {
  AranyaError,
  concatBytes,
  fromUtf8,
  utf8,
} from "../../shared/base/mod.ts";
import { dialerOf } from "./dial.ts";
import { fromBrokenConnection, fromStatus } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import type { HttpConnection, ResponseHead } from "./http.ts";
import { pickVersion } from "./version.ts";

/** One engine. Calls may run side by side. All errors are AranyaErrors; "unavailable" when the engine is away. */
export interface DockerClient extends AsyncDisposable {
  /** Where it is, e.g. "unix:///var/run/docker.sock". */
  readonly host: string;
  /** Sends a request and gives the answer's JSON (undefined when it has none). */
  request<T>(call: DockerCall): Promise<T>;
  /** Sends a request and gives the answer's bytes as they come; leaving the loop or aborting the signal ends it. */
  stream(call: DockerCall): Promise<AsyncIterable<Uint8Array>>;
  /** Turns the connection into raw bytes both ways (exec, attach). The caller closes it. */
  hijack(call: DockerCall): Promise<DockerSocket>;
}

/** One call. */
export interface DockerCall {
  method: "GET" | "POST" | "DELETE" | "PUT";
  /** Without the version, e.g. "/containers/json". */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON, or as it is when bytes (a tar archive). */
  body?: unknown;
  headers?: Record<string, string>;
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  /** For the whole of `request`, for the answer's head otherwise, in milliseconds. @default 60 000 */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

/** A hijacked connection. */
export interface DockerSocket {
  /** What the engine sends; one reader. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Resolves when the kernel has taken all of it. */
  write(chunk: Uint8Array): Promise<void>;
  /** Half-close: the process sees the end of its stdin. */
  endInput(): Promise<void>;
  /** Ends both directions; may be called twice. */
  close(): void;
}

/** Options of {@linkcode createDockerClient}. */
export interface DockerClientOptions {
  /** "unix:///path" or "tcp://host:port". @default "unix:///var/run/docker.sock" */
  host?: string;
}

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_IDLE = 4;
/** Answers of `request` are lists and descriptions; more than this is a fault. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;

function closedError(action: string): AranyaError {
  return new AranyaError(
    "unavailable",
    `${action}: the Docker client is closed`,
  );
}

/** Makes a client; nothing is dialled yet. Dispose it to end its connections. @throws {AranyaError} code "invalid" for another kind of host */
export function createDockerClient(
  options: DockerClientOptions = {},
): DockerClient {
  return new Client(options.host ?? DEFAULT_HOST);
}

class Client implements DockerClient {
  readonly host: string;
  readonly #dial: () => Promise<HttpConnection>;
  readonly #live = new Set<Exchange>();
  #idle: HttpConnection[] = [];
  #version: string | undefined;
  #disposed = false;

  constructor(host: string) {
    this.host = host;
    this.#dial = dialerOf(host);
  }

  async request<T>(call: DockerCall): Promise<T> {
    const exchange = await this.#open(call);
    try {
      const head = await this.#sendAndReadHead(exchange, call);
      const body = await exchange.guard(
        collect(this.#body(exchange, head), MAX_ANSWER_BYTES, call.action),
      );
      return (body.length === 0 ? undefined : JSON.parse(fromUtf8(body))) as T;
    } catch (error) {
      throw error instanceof SyntaxError
        ? new AranyaError(
          "internal",
          `${call.action}: Docker's answer is not JSON`,
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
      exchange.clearTimeout();
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
    exchange.clearTimeout();
    const { connection } = exchange;
    const output = async function* () {
      yield* exchange.guardEach(connection.readRaw());
    };
    return {
      output: output(),
      write: (chunk) => exchange.guard(connection.write(chunk)),
      endInput: () => exchange.guard(connection.closeWrite()),
      close: () => this.#close(exchange),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const gone = closedError("Cannot use Docker");
    for (const connection of this.#idle) connection.close();
    this.#idle = [];
    for (const exchange of this.#live) exchange.kill(gone);
    this.#live.clear();
    return Promise.resolve();
  }

  async #open(call: DockerCall): Promise<Exchange> {
    call.signal?.throwIfAborted();
    const connection = this.#idle.pop();
    const exchange = new Exchange({
      connection: connection ?? await this.#dialAfresh(),
      reused: connection !== undefined,
      action: call.action,
      timeoutMs: call.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      signal: call.signal,
    });
    this.#live.add(exchange);
    // It may have been disposed while the connection was made.
    if (this.#disposed) exchange.kill(closedError(call.action));
    return exchange;
  }

  async #dialAfresh(): Promise<HttpConnection> {
    try {
      return await this.#dial();
    } catch (error) {
      // The engine may come back as another version.
      this.#version = undefined;
      throw error;
    }
  }

  async #sendAndReadHead(
    exchange: Exchange,
    call: DockerCall,
  ): Promise<ResponseHead> {
    this.#version ??= await this.#negotiate(exchange, call.action);
    const { head, body } = encode(call, this.#version);
    const answer = await this.#roundTrip(exchange, head, body);
    if (answer.status < 400) return answer;
    const text = await exchange.guard(
      collect(this.#body(exchange, answer), MAX_ERROR_BYTES, call.action),
    );
    throw fromStatus(answer.status, text, call.action);
  }

  async #negotiate(exchange: Exchange, action: string): Promise<string> {
    const answer = await this.#roundTrip(
      exchange,
      "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n",
      new Uint8Array(),
    );
    const body = await exchange.guard(
      collect(
        exchange.connection.readBody(answer),
        MAX_ERROR_BYTES,
        action,
      ),
    );
    if (answer.status >= 400) throw fromStatus(answer.status, body, action);
    return pickVersion(answer.headers.get("api-version"), this.host);
  }

  /** An idle connection may have been closed by the engine meanwhile: then once more on a new one. */
  async #roundTrip(
    exchange: Exchange,
    head: string,
    body: Uint8Array,
  ): Promise<ResponseHead> {
    try {
      await exchange.connection.send(head, body);
      return await exchange.connection.readHead();
    } catch (error) {
      if (!exchange.reused || exchange.connection.answered || exchange.ended) {
        throw exchange.translate(error);
      }
      for (const idle of this.#idle) idle.close();
      this.#idle = [];
      exchange.replace(await this.#dialAfresh());
    }
    return await exchange.guard((async () => {
      await exchange.connection.send(head, body);
      return await exchange.connection.readHead();
    })());
  }

  /** The body; at its end the connection goes back among the idle ones. */
  async *#body(
    exchange: Exchange,
    head: ResponseHead,
  ): AsyncGenerator<Uint8Array> {
    const { reusable } = yield* exchange.connection.readBody(head);
    if (!reusable || this.#disposed || this.#idle.length >= MAX_IDLE) return;
    if (!exchange.release()) return;
    this.#idle.push(exchange.connection);
  }

  async *#streamBody(
    exchange: Exchange,
    head: ResponseHead,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* exchange.guardEach(this.#body(exchange, head));
    } finally {
      this.#close(exchange);
    }
  }

  #close(exchange: Exchange): void {
    this.#live.delete(exchange);
    exchange.close();
  }
}

/** A request's head and body. */
function encode(
  call: DockerCall,
  version: string,
): { head: string; body: Uint8Array } {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  const raw = call.body instanceof Uint8Array;
  const body = raw
    ? call.body as Uint8Array
    : call.body === undefined
    ? new Uint8Array()
    : utf8(JSON.stringify(call.body));
  const headers: Record<string, string> = {
    host: "docker",
    "content-length": String(body.length),
    ...(call.body === undefined ? {} : {
      "content-type": raw ? "application/x-tar" : "application/json",
    }),
    ...call.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) =>
    `${name}: ${value.replace(/[\r\n]/g, "")}\r\n`
  );
  const target = `/v${version}${call.path}${text === "" ? "" : `?${text}`}`;
  return {
    head: `${call.method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`,
    body,
  };
}

/** All of a body, up to a limit. */
async function collect(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
  action: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) {
      throw fromBrokenConnection(
        new Error(`an answer of more than ${maxBytes} bytes`),
        action,
      );
    }
    parts.push(chunk);
  }
  return concatBytes(parts);
}

// SPDX-License-Identifier: Apache-2.0
/** Calls to an API server through kept-alive connections, without a client library in between. */
import { Agent, request } from "node:https";
import { AranyaError, concatBytes, fromUtf8 } from "../lib/shared/base/mod.ts";

/** Options of {@linkcode BareApi}. */
export interface BareApiOptions {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM texts. */
  authority: string;
  certificate: string;
  key: string;
  /** Maximum number of open connections. */
  connections: number;
}

/** A request to the API server. */
export interface BareCall {
  method: string;
  /** Path and query. */
  path: string;
  body?: unknown;
  /** @default "application/json" */
  contentType?: string;
}

/** A client of one API server. Disposing it closes its connections. */
export class BareApi implements Disposable {
  readonly #options: BareApiOptions;
  readonly #agent: Agent;

  constructor(options: BareApiOptions) {
    this.#options = options;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: options.connections,
      ca: options.authority,
      cert: options.certificate,
      key: options.key,
    });
  }

  /**
   * Sends a request and returns the JSON of the response.
   * @throws {AranyaError} "not_found" for status 404, "conflict" for 409, "internal" for others
   * from 300
   */
  call<T>(call: BareCall): Promise<T> {
    const body = call.body === undefined
      ? undefined
      : JSON.stringify(call.body);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const sent = request(`${this.#options.url}${call.path}`, {
      agent: this.#agent,
      method: call.method,
      headers: body === undefined ? {} : {
        "content-type": call.contentType ?? "application/json",
        "content-length": new TextEncoder().encode(body).length,
      },
    }, (reply) => {
      const parts: Uint8Array[] = [];
      reply.on("data", (part: Uint8Array) => void parts.push(part));
      reply.on("error", reject);
      reply.on("end", () => {
        const text = fromUtf8(concatBytes(parts));
        const status = reply.statusCode ?? 0;
        if (status < 300) return resolve(JSON.parse(text) as T);
        const code = status === 404
          ? "not_found"
          : status === 409
          ? "conflict"
          : "internal";
        reject(
          new AranyaError(
            code,
            `Cannot ${call.method} ${call.path}: status ${status}: ${
              text.slice(0, 300)
            }`,
          ),
        );
      });
    });
    sent.on("error", reject);
    sent.end(body);
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/**
 * Calls `work` for every item, at most `width` at the same time; rejects with the first failure.
 */
export async function inParallel<T>(
  items: readonly T[],
  options: { width: number; work: (item: T) => Promise<unknown> },
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) {
      await options.work(item);
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(options.width, items.length) }, worker),
  );
}

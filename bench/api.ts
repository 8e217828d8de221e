// SPDX-License-Identifier: Apache-2.0
/** Bare calls to an API server for benchmarks: kept-alive connections, nothing else between them and the socket. */
import { Agent, request } from "node:https";
import { AranyaError, concatBytes, fromUtf8 } from "../lib/shared/base/mod.ts";

/** Who calls, and where. */
export interface BareApiOptions {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM texts. */
  authority: string;
  certificate: string;
  key: string;
  /** Connections at the same time. */
  connections: number;
}

/** One call. */
export interface BareCall {
  method: string;
  /** With its query. */
  path: string;
  body?: unknown;
  /** @default "application/json" */
  contentType?: string;
}

/** Sends calls; dispose it to close its connections. */
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

  /** Sends one call and gives the reply's JSON. @throws {AranyaError} "internal" for statuses of 300 and above, "not_found" for 404 */
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

/** Runs the work on every item, so many at a time; the first failure ends it. */
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

// SPDX-License-Identifier: Apache-2.0
/** One request to the API server with its deadline and retries. */
import {
  concatBytes,
  defined,
  fromUtf8,
  type Logger,
  type Meter,
  SYSTEM_CLOCK,
  utf8,
  withDeadline,
} from "../../shared/base/mod.ts";
import type { CallOptions, RawCall } from "./api.ts";
import { toCallError, toKubeError } from "./kube_error.ts";
import type { CredentialsInUse, Transport } from "./transport.ts";

/** Deadline of a call when none is given, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_ATTEMPTS = 6;
/** Shortest wait before a retry; a server may send `Retry-After: 0`. */
const MIN_RETRY_MS = 200;
const MAX_RETRY_AFTER_MS = 10_000;

/** One call. */
export interface ApiCall extends CallOptions {
  method: RawCall["method"];
  /** Path with query. */
  path: string;
  /** `<verb> <object>`, for the error's text. */
  action: string;
  /** Sent as JSON; undefined: no body. */
  body?: unknown;
  /** @default "application/json" */
  contentType?: string | undefined;
  /** As of `HttpCall`. */
  isRepeatable?: boolean;
}

/** The reply to one attempt. */
interface Reply {
  status: number;
  credentials: CredentialsInUse;
  /** From the `Retry-After` header; 0 without one. */
  retryAfterMs: number;
  body: string;
}

/** Sends calls over a transport. Any number of calls may run at the same time. */
export class ApiCaller {
  readonly #transport: Transport;
  readonly #log: Logger;
  readonly #meter: Meter;

  constructor(transport: Transport, options: { log: Logger; meter: Meter }) {
    this.#transport = transport;
    this.#log = options.log;
    this.#meter = options.meter;
  }

  /**
   * Sends a call and returns the JSON value of the reply; undefined when its body is empty.
   * Retries while the API server is overloaded (429, or 5xx with `Retry-After`), and once the
   * credentials were reloaded after a 401. The deadline covers all attempts.
   * @throws {AranyaError} codes as of `KubeClient`
   */
  async send(call: ApiCall): Promise<unknown> {
    const startMs = performance.now();
    try {
      return await withDeadline((signal) => this.#sendRetrying(call, signal), {
        timeoutMs: call.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        action: `Cannot ${call.action}`,
        signal: call.signal,
      });
    } catch (error) {
      throw toCallError(error, call.action);
    } finally {
      this.#meter.time("aranya_api_call_seconds", {
        ms: performance.now() - startMs,
        labels: { method: call.method },
      });
    }
  }

  async #sendRetrying(call: ApiCall, signal: AbortSignal): Promise<unknown> {
    for (let attempt = 1;; attempt++) {
      const reply = await this.#sendOnce(call, signal);
      const { status, retryAfterMs, body } = reply;
      if (status >= 200 && status < 300) {
        return body === "" ? undefined : JSON.parse(body);
      }
      const error = toKubeError({ status, body, action: call.action });
      if (attempt >= MAX_ATTEMPTS) throw error;
      if (status === 401 && await this.#transport.reload(reply.credentials)) {
        continue;
      }
      const isOverloaded = status === 429 ||
        (status >= 500 && retryAfterMs > 0);
      if (!isOverloaded) throw error;
      this.#log.debug("API server is overloaded, will retry", {
        object: call.action,
        ms: retryAfterMs,
      });
      // Jitter, so that calls that were refused together don't come back together.
      const delayMs = Math.max(MIN_RETRY_MS, retryAfterMs) *
        (1 + Math.random() / 4);
      await SYSTEM_CLOCK.sleep(delayMs, { signal });
    }
  }

  async #sendOnce(call: ApiCall, signal: AbortSignal): Promise<Reply> {
    const body = call.body === undefined
      ? undefined
      : JSON.stringify(call.body);
    const reply = await this.#transport.send({
      method: call.method,
      path: call.path,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : {
          "content-type": call.contentType ?? "application/json",
          "content-length": String(utf8(body).length),
        }),
      },
      body,
      pool: call.pool ?? "normal",
      ...defined({ isRepeatable: call.isRepeatable }),
      signal,
    });
    const parts: Uint8Array[] = [];
    for await (const part of reply.body) parts.push(part);
    const retryAfterSeconds = Number(reply.header("retry-after") ?? 0);
    return {
      status: reply.status,
      credentials: reply.credentials,
      // The header may also be a date, which Kubernetes doesn't use.
      retryAfterMs: Number.isFinite(retryAfterSeconds)
        ? Math.min(MAX_RETRY_AFTER_MS, retryAfterSeconds * 1000)
        : 0,
      body: fromUtf8(concatBytes(parts)),
    };
  }
}
